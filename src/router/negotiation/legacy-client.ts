import type { Clock } from '../../clock.ts';
import { isDual, isModernRevision } from '../../era/handshake.ts';
import { RelayLink } from '../../link/forward.ts';
import { createFrameQueue } from '../../link/frame-queue.ts';
import type { Link, PeerSupport } from '../../link/link.ts';
import type { Principal } from '../../link/principal.ts';
import type { Log } from '../../observe/log.ts';
import { isLegacyRevision } from '../../protocol/constants.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import type { FacadeOptions } from '../legacy-to-modern/facade.ts';
import { isModernBy, messageOf } from './detect-era.ts';
import type { EraCache } from './era-cache.ts';
import { InitializeAttempt, type AttemptOutcome } from './initialize-attempt.ts';
import { isFinalRefusal } from './initialize-offer.ts';
import { ServerSearch, type ModernServer, type ModernVerdict } from './server-search.ts';

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
  readonly clock: Clock;
  readonly log: Log;
}

type Wait = void | Promise<void>;

/** Messages that a client may send before the response to `initialize` without being asked to wait. */
const EARLY_FRAMES = 100;

class LegacyClientLink extends RelayLink {
  readonly peer = 'server';
  readonly era = 'legacy';
  readonly principal: Principal;
  readonly #options: LegacyClientOptions;
  readonly #known: EraCache;
  readonly #search: ServerSearch;
  readonly #inOrder = createFrameQueue((frame) => this.#pass(frame), EARLY_FRAMES);
  /** The link that `initialize` goes to. */
  #link: Link;
  /** The link that everything goes to: `#link`, or a facade. */
  #current: Link;
  /** `settled`: it is known where the messages of this client go. */
  #phase: 'negotiating' | 'settled' | 'closed' = 'negotiating';
  /** The server's own answer to `server/discover`, once it has shown to be modern. */
  #modern: ModernVerdict | undefined;
  #wasProbed: boolean;

  constructor(link: Link, options: LegacyClientOptions) {
    super();
    this.principal = link.principal;
    this.#options = options;
    this.#known = options.known;
    this.#search = new ServerSearch(options);
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

  override onframe(handler: (frame: Frame, relatedRequestId?: RequestId) => Wait): void {
    super.onframe(handler);
    this.#current.onframe((frame, relatedRequestId) => this.deliver(frame, relatedRequestId));
  }

  override onclose(handler: (error?: Error) => void): void {
    super.onclose(handler);
    this.#current.onclose((error) => this.closed(error));
  }

  abandonResponse(id: RequestId): void {
    this.#current.abandonResponse(id);
  }

  async close(reason?: Error): Promise<void> {
    this.#phase = 'closed';
    await Promise.all([this.#current.close(reason), this.#search.close(reason)]);
  }

  #pass(frame: Frame): Wait {
    if (frame.method !== 'initialize' || this.#phase !== 'negotiating') return this.#current.send(frame);
    const settled = this.#initialize(frame);
    // Behind a server that is known to accept it, nothing has to wait for the response.
    if (this.#known.legacy !== true) this.#inOrder.holdBack(settled);
    return undefined;
  }

  async #initialize(request: Frame): Promise<void> {
    if (this.#isProbedFirst() && !(await this.#probeFirst())) return;
    const modern = this.#known.legacy === true ? undefined : this.#modern;
    if (modern !== undefined && !isDual(modern.answer.message)) {
      const isDualAfterAll = await this.#search.acceptsInitialize();
      const facade = isDualAfterAll ? undefined : await this.#facadeOf({ link: this.#link, verdict: modern });
      if (this.#isClosed()) return;
      if (facade !== undefined) return await this.#translate(facade, request, false);
    }
    const outcome = await this.#forward(request);
    if (outcome.kind === 'refused') await this.#refused(request, outcome.answer);
    if (outcome.kind === 'ended') this.closed(outcome.error);
  }

  #isProbedFirst(): boolean {
    const { legacy, modern } = this.#known;
    return this.#options.asksFirst === true && legacy === undefined && modern !== false;
  }

  /** @returns false if the link has ended */
  async #probeFirst(): Promise<boolean> {
    const verdict = await this.#search.probe(this.#link);
    if (verdict.era === 'gone') {
      this.closed(verdict.error);
      return false;
    }
    const isModern = isModernBy(verdict);
    if (isModern !== undefined) this.#known.modern = isModern;
    if (verdict.era === 'modern') this.#modern = verdict;
    return true;
  }

  /** Sends `initialize`; to another process as well, if the first one was probed before. */
  async #forward(request: Frame): Promise<AttemptOutcome> {
    const first = await this.#attempt(request);
    if (first.kind === 'accepted' || !this.#wasProbed || this.#isClosed()) return first;
    this.#wasProbed = false;
    const another = await this.#search.reopen();
    if (another === undefined) return first;
    await this.#replace(another);
    return await this.#attempt(request);
  }

  #attempt(request: Frame): Promise<AttemptOutcome> {
    return new InitializeAttempt({
      link: this.#link,
      request,
      known: this.#known,
      isAccepted: (answer) => this.#isAccepted(answer),
      onAccepted: () => this.#settle(),
      deliver: (frame, relatedRequestId) => this.deliver(frame, relatedRequestId),
      onEnd: (error) => this.closed(error),
    }).run();
  }

  #isAccepted(answer: Frame): boolean {
    const message = messageOf(answer);
    // The router rejects an answer that cannot be read.
    if (message === undefined) return this.#modern === undefined;
    if (message.error !== undefined) return false;
    const revision = message.result?.['protocolVersion'];
    return this.#modern === undefined ? !isModernRevision(revision) : isLegacyRevision(revision);
  }

  async #refused(request: Frame, answer: Frame): Promise<void> {
    const message = messageOf(answer);
    // A server that accepts others has a reason of its own to refuse this client.
    const found =
      this.#known.legacy === true ? undefined : await this.#search.findModern(this.#link, message);
    const facade = found && (await this.#facadeOf(found));
    if (this.#isClosed()) await facade?.close();
    else if (facade !== undefined) {
      const isUsual = isLegacyRevision(request.message.params?.['protocolVersion']);
      const isFinal = isUsual && message !== undefined && isFinalRefusal(message);
      return await this.#translate(facade, request, isFinal);
    }
    this.#link.onframe((frame, relatedRequestId) => this.deliver(frame, relatedRequestId));
    if (message?.error === undefined) this.#known.legacy = true;
    await this.deliver(answer);
    this.#link.onclose((error) => this.closed(error));
  }

  async #facadeOf({ link, verdict: { discovered } }: ModernServer): Promise<Link> {
    if (link !== this.#link) await this.#replace(link);
    return await translated(link, { ...this.#options, ...(discovered !== undefined && { discovered }) });
  }

  async #translate(facade: Link, request: Frame, isFinal: boolean): Promise<void> {
    const known = this.#known;
    known.modern = true;
    if (isFinal) known.legacy = false;
    this.#options.log.info(
      { event: 'server.era', era: 'modern' },
      'speaks 2026-07-28 only: translated for older clients',
    );
    this.#settle();
    this.#current = facade;
    this.follow(facade);
    await facade.send(request);
  }

  /** Ends the present process. */
  async #replace(link: Link): Promise<void> {
    const before = this.#link;
    this.#link = link;
    this.#current = link;
    before.onclose(() => {});
    await before.close();
  }

  #settle(): void {
    if (this.#phase === 'negotiating') this.#phase = 'settled';
  }

  #isClosed(): boolean {
    return this.#phase === 'closed';
  }
}

/**
 * A server for a client of the revisions with a handshake. Its `initialize` is forwarded as it is: a server of both eras is
 * never translated, even if it lists modern revisions only. A server that refuses `initialize` is probed, and translated if
 * it is modern.
 * @param link a reattachable one
 */
export async function createLegacyClientRoute(link: Link, options: LegacyClientOptions): Promise<Link> {
  const { known } = options;
  if (known.legacy === false) return await translated(link, options);
  if (known.legacy === true && known.modern === false) return link;
  return new LegacyClientLink(link, options);
}

/** The translator is loaded when a server needs it: most servers are of their client's era. */
async function translated(link: Link, options: FacadeOptions): Promise<Link> {
  const { presentAsLegacy } = await import('../legacy-to-modern/facade.ts');
  return presentAsLegacy(link, options);
}
