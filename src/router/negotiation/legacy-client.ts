import { isDual, isModernError, isModernRevision } from '../../era/handshake.ts';
import { jsonOf } from '../../era/json.ts';
import { toRunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';
import { isLegacyRevision, RPC } from '../../protocol/constants.ts';
import type { Frame, JsonRpcMessage, RequestId } from '../../protocol/frame.ts';
import type { Link, PeerSupport } from '../../link/link.ts';
import { presentAsLegacy } from '../legacy-to-modern/facade.ts';
import { reattachable } from '../../link/reattachable.ts';
import { createFrameQueue } from '../../link/frame-queue.ts';
import type { EraCache } from './era-cache.ts';
import { isFinalRefusal, offerInitialize, type OfferOutcome } from './initialize-offer.ts';
import { isLateDiscovery, isModernBy, messageOf, detectEra, type EraVerdict } from './detect-era.ts';

export interface LegacyClientOptions {
  readonly server: string;
  /** Ours, for `clientInfo`. */
  readonly version: string;
  /** Silence after which a server is sent a ping. */
  readonly silenceMs?: number;
  /** How long a server may take to say what it is. */
  readonly longestMs?: number;
  readonly known: EraCache;
  /** Opens another link: a process, or a conversation with a remote server. */
  readonly reopen: () => Promise<Link>;
  /** Whether the client can be asked something now; yes by default. */
  readonly canAsk?: () => boolean;
  /**
   * Whether a server of unknown eras is sent `server/discover` before `initialize`. Over HTTP, a modern server may answer
   * `initialize` with anything (2026-07-28, basic/transports/streamable-http, backward compatibility).
   */
  readonly asksFirst?: boolean;
  /** Whether the process has been sent `server/discover`: one that then refuses `initialize` may accept it in a new process. */
  readonly wasProbed?: boolean;
  /** How long a server that lists modern revisions only may take to accept `initialize`. */
  readonly offerMs?: number;
  readonly log: Log;
}

type Wait = void | Promise<void>;

/** The outcome of an `initialize`. */
type Outcome =
  /** The response has been delivered. */
  | { readonly kind: 'accepted' }
  /** `answer`: undefined if there was none in time. */
  | { readonly kind: 'refused'; readonly answer: Frame | undefined }
  | { readonly kind: 'ended'; readonly error: Error | undefined };

type ModernVerdict = Extract<EraVerdict, { era: 'modern' }>;

const OFFER_MS = 10_000;
const OFFER_AGAIN_MS = 60_000;
/** Messages that a client may send before the response to `initialize` without being asked to wait. */
const EARLY_FRAMES = 100;

/**
 * A server for a client of the revisions with a handshake. Its `initialize` is forwarded as it is: a server of both eras is
 * never translated, even if it lists modern revisions only. A server that refuses `initialize` is probed, and translated if
 * it is modern.
 * @param link one that can be handed over
 */
export function createLegacyClientRoute(link: Link, options: LegacyClientOptions): Link {
  const { known } = options;
  if (known.legacy === false) return presentAsLegacy(link, options);
  if (known.legacy === true && known.modern === false) return link;
  return new OwnEraLink(link, options);
}

class OwnEraLink implements Link {
  readonly peer = 'server';
  readonly era = 'legacy';
  readonly principal: string;
  readonly #options: LegacyClientOptions;
  readonly #known: EraCache;
  readonly #inOrder = createFrameQueue((frame) => this.#pass(frame), EARLY_FRAMES);
  /** The link that `initialize` goes to. */
  #link: Link;
  /** The link that everything goes to: `#link`, or a facade. */
  #current: Link;
  /** The link that an `initialize` of our own goes to. */
  #trial: Link | undefined;
  #isSettled = false;
  #isClosed = false;
  /** The server's own answer to `server/discover`, once it has shown to be modern. */
  #modern: ModernVerdict | undefined;
  #wasProbed: boolean;
  #onframe: (frame: Frame, relatedRequestId?: RequestId) => Wait = () => {};
  #onclose: (error?: Error) => void = () => {};

  constructor(link: Link, options: LegacyClientOptions) {
    this.principal = link.principal;
    this.#options = options;
    this.#known = options.known;
    this.#wasProbed = options.wasProbed === true;
    this.#link = link;
    this.#current = link;
  }

  get supports(): PeerSupport {
    return this.#current.supports;
  }

  /** A response does not wait: the server may need it before it answers `initialize`. */
  send(frame: Frame): Wait {
    return frame.kind === 'response' ? this.#current.send(frame) : this.#inOrder.pass(frame);
  }

  onframe(handler: (frame: Frame, relatedRequestId?: RequestId) => Wait): void {
    this.#onframe = handler;
    this.#current.onframe((frame, relatedRequestId) => this.#onframe(frame, relatedRequestId));
  }

  onend(): void {}

  onclose(handler: (error?: Error) => void): void {
    this.#onclose = handler;
    this.#current.onclose((error) => this.#onclose(error));
  }

  abandonResponse(id: RequestId): void {
    this.#current.abandonResponse(id);
  }

  async close(reason?: Error): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#current.close(reason), this.#trial?.close(reason)]);
  }

  #pass(frame: Frame): Wait {
    if (frame.method !== 'initialize' || this.#isSettled) return this.#current.send(frame);
    const settled = this.#initialize(frame);
    // Behind a server that is known to accept it, nothing has to wait for the response.
    if (this.#known.legacy !== true) this.#inOrder.holdBack(settled);
    return undefined;
  }

  async #initialize(request: Frame): Promise<void> {
    if (this.#asksFirst() && !(await this.#askFirst())) return;
    const modern = this.#known.legacy === true ? undefined : this.#modern;
    if (modern !== undefined && !isDual(modern.answer.message)) {
      const facade = await this.#withoutHandshake(modern);
      if (this.#isClosed) return;
      if (facade !== undefined) return await this.#translate(facade, request, false);
    }
    let outcome = await this.#offer(request);
    if (outcome.kind !== 'accepted' && this.#wasProbed && !this.#isClosed) {
      this.#wasProbed = false;
      const another = await this.#reopen();
      if (another !== undefined) {
        await this.#replace(another);
        outcome = await this.#offer(request);
      }
    }
    if (outcome.kind === 'refused') await this.#refused(request, outcome.answer);
    if (outcome.kind === 'ended') this.#onclose(outcome.error);
  }

  #asksFirst(): boolean {
    const { legacy, modern } = this.#known;
    return this.#options.asksFirst === true && legacy === undefined && modern !== false;
  }

  /** @returns false if the link has ended */
  async #askFirst(): Promise<boolean> {
    const verdict = await this.#probe(this.#link);
    if (verdict.era === 'gone') {
      this.#onclose(verdict.error);
      return false;
    }
    const isModern = isModernBy(verdict);
    if (isModern !== undefined) this.#known.modern = isModern;
    if (verdict.era === 'modern') this.#modern = verdict;
    return true;
  }

  /** @returns a facade of a server that lists modern revisions only, and does not accept an `initialize` of our own */
  async #withoutHandshake(modern: ModernVerdict): Promise<Link | undefined> {
    const outcome = await this.#tryHandshake();
    if (outcome === 'accepted' || outcome === 'refused') this.#known.legacy ??= outcome === 'accepted';
    return outcome === 'accepted' ? undefined : await this.#found(this.#link, modern);
  }

  async #tryHandshake(): Promise<OfferOutcome> {
    const { version, offerMs = OFFER_MS } = this.#options;
    // The next client does not wait for the same silence.
    if (Date.now() - (this.#known.silentAt ?? 0) < OFFER_AGAIN_MS) return 'silent';
    this.#trial = await this.#reopen();
    if (this.#trial === undefined) return 'failed';
    const outcome = await offerInitialize(this.#trial, version, offerMs);
    if (outcome === 'silent') this.#known.silentAt = Date.now();
    return outcome;
  }

  /** Sends `initialize`. An accepting response is delivered at once, since other messages may be right behind it. */
  #offer(request: Frame): Promise<Outcome> {
    const link = this.#link;
    return new Promise((resolve) => {
      let outcome: Outcome['kind'] | undefined;
      const settle = (next: Outcome): void => {
        outcome ??= next.kind;
        resolve(next);
      };
      const refuse = (answer: Frame | undefined): void => settle({ kind: 'refused', answer });
      link.onclose((error) => {
        if (outcome === 'accepted') this.#onclose(error);
        // A link that ends after a refusal says so to its next holder.
        else settle({ kind: 'ended', error });
      });
      link.onframe((frame, relatedRequestId) => {
        if (isLateDiscovery(frame)) this.#known.modern = true;
        if (frame.kind !== 'response' || frame.id !== request.id)
          return this.#onframe(frame, relatedRequestId);
        if (outcome !== undefined) return undefined;
        // An answer that could not be read is no refusal, and its caller does not wait for a probe.
        const isRead = !isUnread(frame);
        if (isRead && !this.#isAccepted(frame)) return refuse(frame);
        settle({ kind: 'accepted' });
        if (isRead) this.#known.legacy = true;
        this.#isSettled = true;
        // There is nothing to look for from here on.
        link.onframe(this.#onframe);
        return this.#onframe(frame, relatedRequestId);
      });
      void link.send(request);
    });
  }

  #isAccepted(answer: Frame): boolean {
    const message = messageOf(answer);
    // The router rejects an answer that cannot be read.
    if (message === undefined) return this.#modern === undefined;
    if (message.error !== undefined) return false;
    const revision = message.result?.['protocolVersion'];
    return this.#modern === undefined ? !isModernRevision(revision) : isLegacyRevision(revision);
  }

  async #refused(request: Frame, answer: Frame | undefined): Promise<void> {
    const message = answer === undefined ? undefined : messageOf(answer);
    // A server that accepts others has a reason of its own to refuse this client.
    const found = this.#known.legacy === true ? undefined : await this.#find(message);
    if (this.#isClosed) await found?.close();
    else if (found !== undefined) {
      const isUsual = isLegacyRevision(request.message.params?.['protocolVersion']);
      const isFinal = isUsual && message !== undefined && isFinalRefusal(message);
      return await this.#translate(found, request, isFinal);
    }
    this.#link.onframe((frame, relatedRequestId) => this.#onframe(frame, relatedRequestId));
    if (answer !== undefined) {
      if (message?.error === undefined) this.#known.legacy = true;
      await this.#onframe(answer);
    }
    this.#link.onclose((error) => this.#onclose(error));
  }

  /** @returns a modern server, undefined if it is none, or has a reason of its own to refuse this client */
  async #find(message: JsonRpcMessage | undefined): Promise<Link | undefined> {
    const known = this.#known;
    const error = message?.error;
    const saysModern = error === undefined || isModernError(error);
    if (known.modern === false && !saysModern && error.code !== RPC.methodNotFound) return undefined;
    const first = await this.#probe(this.#link);
    if (first.era === 'modern') return await this.#found(this.#link, first);
    if (this.#isClosed || first.isUnreached) return undefined;
    const isExpected = saysModern || known.modern === true;
    // The process has ended, or its first message has settled it for the other era.
    const second = first.era === 'gone' || isExpected ? await this.#probeAnother() : undefined;
    known.modern = second !== undefined;
    return second;
  }

  async #probeAnother(): Promise<Link | undefined> {
    const another = await this.#reopen();
    if (another === undefined) return undefined;
    const verdict = await this.#probe(another);
    if (verdict.era === 'modern') return await this.#found(another, verdict);
    await another.close();
    return undefined;
  }

  async #found(server: Link, { discovered }: ModernVerdict): Promise<Link> {
    if (server !== this.#link) await this.#replace(server);
    return presentAsLegacy(server, { ...this.#options, ...(discovered !== undefined && { discovered }) });
  }

  async #translate(facade: Link, request: Frame, isFinal: boolean): Promise<void> {
    const known = this.#known;
    known.modern = true;
    if (isFinal) known.legacy = false;
    this.#options.log.info(
      { event: 'server.era', era: 'modern' },
      'speaks 2026-07-28 only: translated for older clients',
    );
    this.#isSettled = true;
    this.#current = facade;
    facade.onframe((frame, relatedRequestId) => this.#onframe(frame, relatedRequestId));
    facade.onclose((error) => this.#onclose(error));
    await facade.send(request);
  }

  /** A server that could not be reached has not shown its era. */
  async #probe(link: Link): Promise<EraVerdict & { readonly isUnreached?: boolean }> {
    try {
      return await detectEra(link, this.#options);
    } catch (error) {
      return { era: 'gone', error: toRunError(error), isUnreached: true };
    }
  }

  async #reopen(): Promise<Link | undefined> {
    try {
      return reattachable(await this.#options.reopen());
    } catch {
      return undefined;
    }
  }

  async #replace(link: Link): Promise<void> {
    const before = this.#link;
    this.#link = link;
    this.#current = link;
    before.onclose(() => {});
    await before.close();
  }
}

/** Whether an error of our own stands in the place of an answer that the server has given. */
function isUnread(answer: Frame): boolean {
  const { reason } = jsonOf(messageOf(answer)?.error?.data);
  return reason === 'unreadable_answer' || reason === 'line_too_long';
}
