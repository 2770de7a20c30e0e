import { withEnvelope } from '../../era/envelope.ts';
import { isDiscoverResult, isModernError } from '../../era/handshake.ts';
import { jsonOf, type Json } from '../../era/json.ts';
import { isRunError } from '../../errors.ts';
import { MODERN_REVISION } from '../../protocol/constants.ts';
import { frameOf, type Frame, type JsonRpcMessage } from '../../protocol/frame.ts';
import type { Link } from '../../protocol/link.ts';

/** What a server has answered to `server/discover`. */
export type Verdict =
  /** `discovered`: undefined if it is modern, but of no revision that we know. */
  | { readonly era: 'modern'; readonly answer: Frame; readonly discovered: Json | undefined }
  | { readonly era: 'legacy' }
  /** It ended: some do at a request that they do not know. */
  | { readonly era: 'gone'; readonly error: Error | undefined };

export interface ProbeOptions {
  /** Ours, for `clientInfo`. */
  readonly version: string;
  /** A client's own `server/discover`, to be sent in place of one of ours. */
  readonly request?: Frame;
  /** Silence after which it is asked for a sign of life: it may be slow to start. */
  readonly silenceMs?: number;
  /** How long it may take to say what it is. */
  readonly longestMs?: number;
}

const SILENCE_MS = 3_000;
/** How long an answer may still come when a later request has been answered. */
const GRACE_MS = 500;
const LONGEST_MS = 30_000;
/** Any server answers it, also before `initialize` (2025-11-25, basic/lifecycle). */
const PING = frameOf({ id: 'mcpr:alive', method: 'ping' });

/** A remote server that could not be reached has not said what it is. */
const INCONCLUSIVE: ReadonlySet<string> = new Set([
  'UPSTREAM_UNREACHABLE',
  'UPSTREAM_HTTP',
  'UPSTREAM_REDIRECT',
  'UPSTREAM_STREAM_LOST',
  'AUTHORIZATION_REQUIRED',
  'AUTHORIZATION_FAILED',
]);

/**
 * Finds out which era a server is of (2026-07-28, basic/transports/stdio, backward compatibility): a modern answer is
 * one that only a modern server gives, whatever else it says or does means legacy. Takes the link's handlers over, and
 * leaves it as it is.
 * @throws RunError what ended a link to a remote server, which says nothing about its era
 */
export function probeEra(link: Link, options: ProbeOptions): Promise<Verdict> {
  const { silenceMs = SILENCE_MS, longestMs = LONGEST_MS } = options;
  const request = options.request ?? createProbe(options.version);
  return new Promise((resolve, reject) => {
    let isOver = false;
    let timer = setTimeout(askForLife, silenceMs);
    const end = setTimeout(() => settle({ era: 'legacy' }), longestMs);
    link.onclose((error) => {
      if (isRunError(error) && INCONCLUSIVE.has(error.code)) reject(error);
      settle({ era: 'gone', error });
    });
    link.onframe(receive);
    void link.send(request);

    function receive(frame: Frame): void {
      if (isOver || frame.kind !== 'response') return;
      if (frame.id === request.id) return settle(verdictOf(frame));
      if (frame.id !== PING.id) return;
      clearTimeout(timer);
      timer = setTimeout(() => settle({ era: 'legacy' }), GRACE_MS);
    }

    function askForLife(): void {
      void link.send(PING);
    }

    function settle(verdict: Verdict): void {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      clearTimeout(end);
      resolve(verdict);
    }
  });
}

function verdictOf(answer: Frame): Verdict {
  const message = read(answer);
  if (message?.error !== undefined && isModernError(message.error))
    return { era: 'modern', answer, discovered: undefined };
  if (message === undefined || !isDiscoverResult(message.result)) return { era: 'legacy' };
  return { era: 'modern', answer, discovered: jsonOf(message.result) };
}

function read(frame: Frame): JsonRpcMessage | undefined {
  try {
    return frame.message;
  } catch {
    // Its ends looked like a message: it is none.
    return undefined;
  }
}

function createProbe(version: string): Frame {
  const envelope = {
    protocolVersion: MODERN_REVISION,
    clientCapabilities: {},
    clientInfo: { name: 'mcp-run', version },
    logLevel: undefined,
  };
  return frameOf(
    withEnvelope({ jsonrpc: '2.0', id: 'mcpr:discover', method: 'server/discover', params: {} }, envelope),
  );
}
