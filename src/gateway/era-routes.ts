import type { Clock } from '../clock.ts';
import { RunError } from '../errors.ts';
import type { Manifest, ServerSpec } from '../manifest/settings.ts';
import type { Log } from '../observe/log.ts';
import type { Link } from '../link/link.ts';
import { reattachable } from '../link/reattachable.ts';
import { createEraCache, type EraCache } from '../router/negotiation/era-cache.ts';
import { ModernClientRoute } from '../router/negotiation/modern-client.ts';
import { createLegacyClientRoute, type LegacyClientOptions } from '../router/negotiation/legacy-client.ts';
import { createStdioClientRoute } from '../router/negotiation/stdio-client.ts';
import type { DetectEraOptions } from '../router/negotiation/detect-era.ts';
import type { ModernBackend } from '../router/modern-backend.ts';
import { BackendPerPrincipal } from '../router/per-principal.ts';
import { SendBufferLimit } from '../router/shared-process/send-buffer-limit.ts';
import type { Supervisor } from '../upstream/supervision/supervisor.ts';
import type { SkippedOutput } from './skipped-output.ts';
import { openPlaced } from './placed-link.ts';
import type { ProcessSlots } from './process-slots.ts';
import { packageVersion } from './version.ts';

/** A client that sends `initialize`, and has a process of its own. */
interface LegacyClient {
  readonly principalId: string;
  /** Of its process. */
  readonly noticed: SkippedOutput;
  /** Whether it can be asked something now. */
  canAsk(): boolean;
}

export interface EraRoutesOptions {
  readonly spec: ServerSpec;
  readonly manifest: Manifest;
  readonly supervisor: Supervisor;
  readonly places: ProcessSlots;
  /** Ends an idle session of the principal for a new one; false if there is none. */
  makeRoom(principalId: string): Promise<boolean>;
  /** Of processes that several clients use. */
  readonly noticed: SkippedOutput;
  /** What the clients of one process may leave unread together. */
  readonly maxUnreadBytes: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** A local server that takes longer than this, or than half of its time to start, is taken for a legacy one. */
const MIN_PROBE_MS = 30_000;

/**
 * The ways to one server, by the eras of client and server:
 *
 * | client | legacy server | modern server |
 * |---|---|---|
 * | legacy | `#forLegacyClient`: as it is | `#forLegacyClient`: translated |
 * | modern | `#legacyBackend`: translated | `#modernBackend`: as it is |
 *
 * Opens nothing by itself.
 */
export class EraRoutes {
  /** For clients of revision 2026-07-28 over the network. */
  readonly modern: ModernBackend;
  readonly #options: EraRoutesOptions;
  readonly #known: EraCache;
  readonly #isRemote: boolean;
  readonly #probing: Pick<DetectEraOptions, 'version' | 'silenceMs' | 'longestMs' | 'clock'>;

  constructor(options: EraRoutesOptions) {
    const { spec, manifest, supervisor, clock } = options;
    const pinned = spec.era ?? manifest.settings.era;
    this.#options = options;
    this.#known = createEraCache(pinned === 'auto' ? undefined : pinned);
    this.#isRemote = spec.target.kind === 'remote';
    this.#probing = {
      version: packageVersion(),
      clock,
      ...limitsOfProbe(this.#isRemote, supervisor.startTimeoutMs),
    };
    this.modern = new ModernClientRoute({
      ...this.#probing,
      known: this.#known,
      openChild: (principalId) => this.#openPlaced(principalId),
      toModernServer: (first, principalId) => this.#modernBackend(first, principalId),
      toLegacyServer: (first, principalId) =>
        this.#legacyBackend((owner) => this.#openPlaced(owner), first, principalId),
    });
  }

  // Legacy clients

  /** A process for a client that sends `initialize`. */
  async openLegacy(client?: LegacyClient, abandoned?: AbortSignal): Promise<Link> {
    const child = await this.#open(client?.noticed, client?.principalId, abandoned);
    return this.#forLegacyClient(reattachable(child), client);
  }

  /** A process for clients of one principal that have no sessions, which has a place for as long as it lives. */
  async openStateless(principalId: string): Promise<Link> {
    return this.#forLegacyClient(reattachable(await this.#openPlaced(principalId)));
  }

  // Clients of either era

  /** A process for the parent process. */
  async openStdio(client: Omit<LegacyClient, 'principalId'>, abandoned?: AbortSignal): Promise<Link> {
    const reopen = (): Promise<Link> => this.#open(client.noticed);
    const first = await this.#open(client.noticed, undefined, abandoned);
    return createStdioClientRoute(first, {
      ...this.#probing,
      known: this.#known,
      openChild: reopen,
      toLegacyClient: (child, wasProbed) => this.#forLegacyClient(child, client, { wasProbed }),
      toLegacyServer: (child) => this.#legacyBackend(reopen, child, first.principal.id),
    });
  }

  /** A server of either era, as a legacy client sees it. */
  #forLegacyClient(
    child: Link,
    client?: Omit<LegacyClient, 'principalId'>,
    { wasProbed = false }: Pick<LegacyClientOptions, 'wasProbed'> = {},
  ): Promise<Link> {
    return createLegacyClientRoute(child, {
      ...this.#probing,
      server: this.#options.spec.name,
      known: this.#known,
      reopen: () => this.#open(client?.noticed),
      asksFirst: this.#isRemote,
      // Requests to a remote server have no process in common that one of them could settle.
      wasProbed: wasProbed && !this.#isRemote,
      ...(client !== undefined && { canAsk: () => client.canAsk() }),
      log: this.#options.log,
    });
  }

  /** A legacy server, as modern clients see it. */
  async #legacyBackend(
    open: (principalId: string) => Promise<Link>,
    first: Link | undefined,
    principalIdOfFirst: string,
  ): Promise<ModernBackend> {
    const { createProcessPool } = await import('../router/modern-to-legacy/process-pool.ts');
    const { spec, manifest, supervisor, noticed, maxUnreadBytes, clock, log } = this.#options;
    const { settings } = manifest;
    return createProcessPool({
      server: spec.name,
      version: this.#probing.version,
      // It may turn out not to be one: then what it has begun goes on, and the next client is routed by what was found.
      openChild: async (principalId) => this.#forLegacyClient(reattachable(await open(principalId))),
      first: first && (await this.#forLegacyClient(first, undefined, { wasProbed: true })),
      principalIdOfFirst,
      initializeTimeoutMs: supervisor.startTimeoutMs,
      childIdleMs: settings.childIdleMs,
      inputTtlMs: spec.inputTtlMs ?? settings.inputTtlMs,
      maxSuspended: settings.maxSuspended,
      attribution: spec.attribution,
      warm: spec.warm,
      maxUnreadBytes,
      remarkSince: noticed.remarkSince,
      clock,
      log,
    });
  }

  /** A modern server, as modern clients see it: one process for each principal, unless the server is to be shared. */
  async #modernBackend(first: Link | undefined, principalId: string): Promise<ModernBackend> {
    const { ModernMultiplexer } = await import('../router/multiplex/modern.ts');
    const { spec, manifest, maxUnreadBytes, clock, log } = this.#options;
    const { settings } = manifest;
    const common = { server: spec.name, maxUnreadBytes, idleMs: settings.childIdleMs, clock, log };
    if ((spec.isolation ?? settings.isolation) === 'shared')
      return ModernMultiplexer.create({ ...common, first, openUpstream: () => this.#openPlaced('') });
    const unread = new SendBufferLimit(maxUnreadBytes, log);
    return BackendPerPrincipal.create(
      (owner, onUnused, own) =>
        ModernMultiplexer.create({
          ...common,
          first: own,
          openUpstream: () => this.#openPlaced(owner),
          principalId: owner,
          unread,
          onUnused,
        }),
      first === undefined ? undefined : { link: first, principalId },
    );
  }

  // Processes

  /** A process for clients without sessions, which has a place for as long as it lives. */
  #openPlaced(principalId: string): Promise<Link> {
    const { spec, supervisor, places, noticed } = this.#options;
    return openPlaced({
      places,
      server: spec.name,
      principalId,
      open: async () => {
        if (supervisor.isClosed) throw new RunError('SHUTTING_DOWN');
        return await this.#open(noticed, principalId);
      },
    });
  }

  #open(noticed = this.#options.noticed, principalId?: string, abandoned?: AbortSignal): Promise<Link> {
    const { supervisor, makeRoom } = this.#options;
    const room = principalId === undefined ? {} : { makeRoom: () => makeRoom(principalId) };
    return supervisor.open(abandoned, { onSkipped: noticed.onSkipped, ...room });
  }
}

/**
 * Loads what stands between the eras ahead of the first client that needs it. A gateway that listens runs for long, and an
 * update may replace its files meanwhile.
 */
export async function loadTranslators(): Promise<void> {
  await Promise.all([
    import('../router/legacy-to-modern/facade.ts'),
    import('../router/modern-to-legacy/process-pool.ts'),
    import('../router/multiplex/modern.ts'),
  ]);
}

/**
 * A user may have to sign in before a remote server says anything, and a local one may have to be downloaded. A ping says
 * something about servers that read one request after the other, which remote ones do not.
 */
function limitsOfProbe(isRemote: boolean, startTimeoutMs: number): { silenceMs?: number; longestMs: number } {
  if (isRemote) return { silenceMs: Infinity, longestMs: startTimeoutMs };
  return { longestMs: Math.max(MIN_PROBE_MS, startTimeoutMs / 2) };
}
