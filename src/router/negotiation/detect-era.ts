import { withEnvelope } from '../../era/envelope.ts';
import { isDiscoverResult, isModernError } from '../../era/handshake.ts';
import { jsonOf, type Json } from '../../era/json.ts';
import { ownEnvelope } from '../../era/own-client.ts';
import type { Clock } from '../../clock.ts';
import { isRunError } from '../../errors.ts';
import { RPC } from '../../protocol/constants.ts';
import { frameOf, type Frame, type JsonRpcMessage } from '../../protocol/frame.ts';
import type { Link } from '../../link/link.ts';
import { Requester } from '../../link/requester.ts';

/** What a server has answered to `server/discover`. */
export type EraVerdict =
  /**
   * `discovered`: undefined if it is modern, but of no revision that we know. `isOpen`: only `server/discover` was sent,
   * which leaves a process of both eras free to serve either; `false` after any other request of 2026-07-28.
   */
  | {
      readonly era: 'modern';
      readonly answer: Frame;
      readonly discovered: Json | undefined;
      readonly isOpen: boolean;
    }
  /** `isPassing`: a remote server has failed in a way that says nothing about its era. */
  | { readonly era: 'legacy'; readonly isPassing?: boolean }
  /** It ended: some do at a request that they do not know. */
  | { readonly era: 'gone'; readonly error: Error | undefined };

export interface DetectEraOptions {
  /** Ours, for `clientInfo`. */
  readonly version: string;
  /** A client's own `server/discover`, to be sent in place of one of ours. */
  readonly request?: Frame;
  /** Silence after which a ping is sent: the server may be slow to start, or may ignore unknown requests. `Infinity`: never. */
  readonly silenceMs?: number;
  /** How long an answer may still come after the answer to the ping. */
  readonly graceMs?: number;
  /** How long it may take to say what it is. */
  readonly longestMs?: number;
  /** Rejects with its reason. */
  readonly signal?: AbortSignal;
  readonly clock: Clock;
}

const SILENCE_MS = 3_000;
const GRACE_MS = 500;
const LONGEST_MS = 30_000;
const DISCOVER_ID = 'mcpr:discover';
/** The statuses by which a server refuses a method for good, in the text of our own error. */
export const FINAL_STATUS = /HTTP status (?:400|404|405|406|410|415|422|501)\b/;
const PING_ID = 'mcpr:alive';

/** A remote server that could not be reached has not said what it is. */
const INCONCLUSIVE: ReadonlySet<string> = new Set([
  'UPSTREAM_UNREACHABLE',
  'UPSTREAM_HTTP',
  'UPSTREAM_REDIRECT',
  'UPSTREAM_STREAM_LOST',
  'AUTHORIZATION_REQUIRED',
  'AUTHORIZATION_FAILED',
]);

class EraProbe {
  readonly #link: Link;
  readonly #options: DetectEraOptions;
  readonly #clock: Clock;
  readonly #requester: Requester<string>;
  #stage: 'asked' | 'pinged' | 'decided' = 'asked';
  #stopSilence: (() => void) | undefined;
  #stopLimit: (() => void) | undefined;
  #resolve: (verdict: EraVerdict) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(link: Link, options: DetectEraOptions) {
    this.#link = link;
    this.#options = options;
    this.#clock = options.clock;
    this.#requester = new Requester({ link, idOf: String, clock: this.#clock });
  }

  run(): Promise<EraVerdict> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#begin();
    });
  }

  #begin(): void {
    const { silenceMs = SILENCE_MS, longestMs = LONGEST_MS, request, signal, version } = this.#options;
    if (signal?.aborted === true) return this.#giveUp();
    signal?.addEventListener('abort', this.#giveUp);
    if (silenceMs !== Infinity) this.#stopSilence = this.#clock.after(silenceMs, () => this.#ping());
    this.#stopLimit = this.#clock.after(longestMs, () => this.#decide({ era: 'legacy' }));
    this.#link.onclose((error) => this.#linkClosed(error));
    this.#link.onframe((frame) => this.#requester.receive(frame));
    void this.#requester.start(request ?? modernRequest(DISCOVER_ID, 'server/discover', version), (answer) =>
      this.#decide(verdictOf(answer, this.#stage === 'asked')),
    );
  }

  /**
   * Legacy servers answer it, also before `initialize` (2025-11-25, basic/lifecycle). It carries the metadata of
   * 2026-07-28, because a server of both eras that is only slow would take a bare one for a legacy client.
   */
  #ping(): void {
    this.#stage = 'pinged';
    const ping = modernRequest(PING_ID, 'ping', this.#options.version);
    void this.#requester.start(ping, (answer) => this.#ponged(answer));
  }

  /** The answer to the request before may be right behind it. */
  #ponged(answer: Frame): void {
    if (!isLegacyPong(answer)) return;
    const { graceMs = GRACE_MS } = this.#options;
    this.#stopSilence = this.#clock.after(graceMs, () => this.#decide({ era: 'legacy' }));
  }

  #linkClosed(error: Error | undefined): void {
    if (isRunError(error) && INCONCLUSIVE.has(error.code)) this.#reject(error);
    this.#decide({ era: 'gone', error });
  }

  readonly #giveUp = (): void => {
    this.#reject(this.#options.signal?.reason);
    this.#decide({ era: 'legacy' });
  };

  #decide(verdict: EraVerdict): void {
    if (this.#stage === 'decided') return;
    this.#stage = 'decided';
    this.#stopSilence?.();
    this.#stopLimit?.();
    this.#options.signal?.removeEventListener('abort', this.#giveUp);
    this.#requester.clear();
    this.#resolve(verdict);
  }
}

/**
 * Finds out which era a server is of (2026-07-28, basic/transports/stdio, backward compatibility): a modern answer is
 * one that only a modern server gives, whatever else it says or does means legacy. Takes the link's handlers over, and
 * leaves it as it is.
 * @throws RunError what ended a link to a remote server, which says nothing about its era
 */
export function detectEra(link: Link, options: DetectEraOptions): Promise<EraVerdict> {
  return new EraProbe(link, options).run();
}

/** Whether a server shows to be modern after all, by an answer to the probe that comes when the probe has given up. */
export function isLateDiscovery(frame: Frame): boolean {
  return frame.kind === 'response' && frame.id === DISCOVER_ID && verdictOf(frame, false).era === 'modern';
}

function verdictOf(answer: Frame, isOpen: boolean): EraVerdict {
  const message = messageOf(answer);
  if (message?.error !== undefined && isModernError(message.error))
    return { era: 'modern', answer, discovered: undefined, isOpen };
  if (message === undefined || !isDiscoverResult(message.result))
    return isFailure(message) ? { era: 'legacy', isPassing: true } : { era: 'legacy' };
  return { era: 'modern', answer, discovered: jsonOf(message.result), isOpen };
}

/** What a verdict says of the server: undefined if the next client has to ask again. */
export function isModernBy(verdict: EraVerdict): boolean | undefined {
  if (verdict.era === 'legacy' && verdict.isPassing === true) return undefined;
  return verdict.era === 'modern';
}

/** Whether an answer is an error of our own in place of one, and no status by which servers refuse what they do not know. */
function isFailure(answer: JsonRpcMessage | undefined): boolean {
  const reason: unknown = jsonOf(answer?.error?.data)['reason'];
  if (typeof reason !== 'string' || !reason.startsWith('upstream_')) return false;
  return reason !== 'upstream_http' || !FINAL_STATUS.test(answer?.error?.message ?? '');
}

/** Revision 2026-07-28 has no ping: its servers do not know the method, and their results have a type. */
function isLegacyPong(answer: Frame): boolean {
  const message = messageOf(answer);
  if (message?.error !== undefined) return message.error.code !== RPC.methodNotFound;
  return message?.result !== undefined && !('resultType' in jsonOf(message.result));
}

/** The message of a frame, if it is one: its ends may have looked like that. */
export function messageOf(frame: Frame): JsonRpcMessage | undefined {
  try {
    return frame.message;
  } catch {
    return undefined;
  }
}

function modernRequest(id: string, method: string, version: string): Frame {
  return frameOf(withEnvelope({ jsonrpc: '2.0', id, method, params: {} }, ownEnvelope(version)));
}
