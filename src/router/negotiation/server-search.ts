import type { Clock } from '../../clock.ts';
import { isModernError } from '../../era/handshake.ts';
import { toRunError } from '../../errors.ts';
import type { Link } from '../../link/link.ts';
import { reattachable } from '../../link/reattachable.ts';
import { RPC } from '../../protocol/constants.ts';
import type { JsonRpcMessage } from '../../protocol/frame.ts';
import { detectEra, type EraVerdict } from './detect-era.ts';
import type { EraCache } from './era-cache.ts';
import { offerInitialize, type OfferOutcome } from './initialize-offer.ts';

export type ModernVerdict = Extract<EraVerdict, { era: 'modern' }>;

/** A modern server, and the link that it answered over. */
export interface ModernServer {
  readonly link: Link;
  readonly verdict: ModernVerdict;
}

export interface ServerSearchOptions {
  /** Ours, for `clientInfo`. */
  readonly version: string;
  /** Silence after which a server is sent a ping. */
  readonly silenceMs?: number;
  /** How long a server may take to say what it is. */
  readonly longestMs?: number;
  /** How long a server that lists modern revisions only may take to accept `initialize`. */
  readonly offerMs?: number;
  readonly known: EraCache;
  /** Opens another link: a process, or a conversation with a remote server. */
  readonly reopen: () => Promise<Link>;
  readonly clock: Clock;
}

const OFFER_MS = 10_000;
const OFFER_AGAIN_MS = 60_000;

/** Finds out the eras of a server whose client has sent `initialize`, by requests of our own. */
export class ServerSearch {
  readonly #options: ServerSearchOptions;
  readonly #known: EraCache;
  /** The link that an `initialize` of our own goes to. */
  #trial: Link | undefined;
  #isClosed = false;

  constructor(options: ServerSearchOptions) {
    this.#options = options;
    this.#known = options.known;
  }

  async close(reason?: Error): Promise<void> {
    this.#isClosed = true;
    await this.#trial?.close(reason);
  }

  /** A server that could not be reached has not shown its era. */
  async probe(link: Link): Promise<EraVerdict & { readonly isUnreached?: boolean }> {
    try {
      return await detectEra(link, this.#options);
    } catch (error) {
      return { era: 'gone', error: toRunError(error), isUnreached: true };
    }
  }

  /** @returns undefined if nothing can be opened now */
  async reopen(): Promise<Link | undefined> {
    try {
      return reattachable(await this.#options.reopen());
    } catch {
      return undefined;
    }
  }

  /** Whether a server that lists modern revisions only accepts an `initialize` of our own. */
  async acceptsInitialize(): Promise<boolean> {
    const outcome = await this.#offerInitialize();
    if (outcome === 'accepted' || outcome === 'refused') this.#known.legacy ??= outcome === 'accepted';
    return outcome === 'accepted';
  }

  /**
   * Looks for a modern server behind a refusal of `initialize`.
   * @param refusal undefined if it could not be read
   * @returns undefined if it is none, or has a reason of its own to refuse this client
   */
  async findModern(link: Link, refusal: JsonRpcMessage | undefined): Promise<ModernServer | undefined> {
    const known = this.#known;
    const error = refusal?.error;
    const saysModern = error === undefined || isModernError(error);
    if (known.modern === false && !saysModern && error.code !== RPC.methodNotFound) return undefined;
    const verdict = await this.probe(link);
    if (verdict.era === 'modern') return { link, verdict };
    if (this.#isClosed || verdict.isUnreached) return undefined;
    const isExpected = saysModern || known.modern === true;
    // The process has ended, or its first message has settled it for the other era.
    const another = verdict.era === 'gone' || isExpected ? await this.#probeAnother() : undefined;
    known.modern = another !== undefined;
    return another;
  }

  async #probeAnother(): Promise<ModernServer | undefined> {
    const link = await this.reopen();
    if (link === undefined) return undefined;
    const verdict = await this.probe(link);
    if (verdict.era === 'modern') return { link, verdict };
    await link.close();
    return undefined;
  }

  async #offerInitialize(): Promise<OfferOutcome> {
    const { version, offerMs = OFFER_MS, clock } = this.#options;
    // The next client does not wait for the same silence.
    if (clock.now() - (this.#known.silentAt ?? -Infinity) < OFFER_AGAIN_MS) return 'silent';
    this.#trial = await this.reopen();
    if (this.#trial === undefined) return 'failed';
    const outcome = await offerInitialize(this.#trial, version, offerMs, clock);
    if (outcome === 'silent') this.#known.silentAt = clock.now();
    return outcome;
  }
}
