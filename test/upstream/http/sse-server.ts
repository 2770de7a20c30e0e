import { initializeResult, type Script } from './remote.ts';
import {
  answerTo,
  nameOf,
  openScriptedServer,
  type Call,
  type EventStream,
  type ScriptedServer,
} from './scripted-server.ts';

interface SseServer extends ScriptedServer {
  /** Its streams, oldest first. */
  readonly streams: readonly EventStream[];
}

/**
 * A server of HTTP+SSE that answers every request at once, by the stream that it came for; a script says what it does otherwise.
 * @param isSilent what it lets wait
 */
export async function openSseServer(
  script: Script = {},
  endpoint = '/messages',
  isSilent: (call: Call) => boolean = () => false,
): Promise<SseServer> {
  const streams: EventStream[] = [];
  const server = await openScriptedServer((call) => {
    if (isSilent(call)) return undefined;
    const act = script[nameOf(call)];
    if (act !== undefined) return act(call);
    if (call.method === 'GET') {
      const stream = call.stream();
      streams.push(stream);
      stream.event(`${endpoint}?stream=${streams.length}`, { event: 'endpoint', retry: 1 });
      return undefined;
    }
    if (call.method !== 'POST' || call.path === '/mcp') return call.status(405);
    call.status(202, {}, 'Accepted');
    if (nameOf(call) === 'initialize') return say(call, answerTo(call, initializeResult()));
    return 'id' in call.message && 'method' in call.message
      ? say(call, answerTo(call, { path: call.path }))
      : undefined;
  });
  return { ...server, streams };

  function say(call: Call, message: unknown): void {
    streams[Number(call.path.split('=')[1]) - 1]?.event(message);
  }
}
