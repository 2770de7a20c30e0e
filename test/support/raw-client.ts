/** A client of our own that sends and sees the bytes on the wire; it checks nothing and hides nothing. */
import { CLIENT_INFO, RpcFailure, type ClientOptions, type Endpoint, type TestClient } from './clients.ts';
import { json, type Json } from './json.ts';
import { openWire, type Wire } from './wire.ts';

export interface RawClient extends TestClient {
  /** Every message that came, as its text. */
  readonly lines: readonly string[];
  /** Sends a text as it is. */
  sendLine(line: string): Promise<void>;
  /** The next or an earlier message that matches. */
  waitFor(matches: (message: Json, line: string) => boolean): Promise<Json>;
}

export async function connectRaw(endpoint: Endpoint, options: ClientOptions = {}): Promise<RawClient> {
  const lines: string[] = [];
  const incoming: Json[] = [];
  const watchers = new Set<(message: Json, line: string) => void>();
  let nextId = 0;
  const wire: Wire = await openWire(endpoint, (line) => {
    const message = json(JSON.parse(line));
    lines.push(line);
    incoming.push(message);
    if (message['method'] !== undefined && message['id'] !== undefined) void reply(message);
    watchers.forEach((watch) => watch(message, line));
  });

  const initializeResult = await request('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: options.capabilities ?? {},
    clientInfo: CLIENT_INFO,
  });
  await notify('notifications/initialized');
  return {
    initializeResult,
    incoming,
    lines,
    request,
    notify,
    waitFor,
    sendLine: wire.send,
    close: wire.close,
  };

  async function request(
    method: string,
    params: Json = {},
    call: Parameters<TestClient['request']>[2] = {},
  ): Promise<Json> {
    const id = ++nextId;
    const { signal, onProgress } = call;
    const watch = (message: Json): void => {
      if (message['method'] === 'notifications/progress' && json(message['params'])['progressToken'] === id) {
        onProgress?.(json(message['params']));
      }
    };
    if (onProgress) watchers.add(watch);
    const sent = onProgress ? { ...params, _meta: { ...json(params['_meta']), progressToken: id } } : params;
    const answer = waitFor((message) => message['id'] === id && message['method'] === undefined);
    const aborted = new Promise<never>((_resolve, reject) => {
      signal?.addEventListener('abort', () => {
        void notify('notifications/cancelled', { requestId: id, reason: 'aborted' });
        reject(new Error('aborted'));
      });
    });
    await wire.send(JSON.stringify({ jsonrpc: '2.0', id, method, params: sent }));
    const { result, error } = await Promise.race([answer, aborted]).finally(() => watchers.delete(watch));
    if (error === undefined) return json(result);
    const { code, message, data } = json(error);
    throw new RpcFailure(Number(code), String(message), data);
  }

  function notify(method: string, params?: Json): Promise<void> {
    return wire.send(JSON.stringify({ jsonrpc: '2.0', method, ...(params && { params }) }));
  }

  async function reply({ id, method, params }: Json): Promise<void> {
    await wire.send(
      JSON.stringify({ jsonrpc: '2.0', id, ...(await outcomeOf(String(method), json(params))) }),
    );
  }

  async function outcomeOf(method: string, params: Json): Promise<Json> {
    if (method === 'ping') return { result: {} };
    try {
      if (options.answer) return { result: await options.answer(method, params) };
      return { error: { code: -32601, message: 'Method not found' } };
    } catch (error) {
      if (error instanceof RpcFailure)
        return { error: { code: error.code, message: error.message, data: error.data } };
      throw error;
    }
  }

  function waitFor(matches: (message: Json, line: string) => boolean): Promise<Json> {
    const known = incoming.find((message, index) => matches(message, lines[index] ?? ''));
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve) => {
      const watch = (message: Json, line: string): void => {
        if (!matches(message, line)) return;
        watchers.delete(watch);
        resolve(message);
      };
      watchers.add(watch);
    });
  }
}
