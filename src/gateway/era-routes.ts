import { RunError } from '../errors.ts';
import type { Manifest, ServerSpec } from '../manifest/settings.ts';
import type { Log } from '../observe/log.ts';
import type { Link } from '../link/link.ts';
import { ForwardingLink } from '../link/forward.ts';
import { reattachable } from '../link/reattachable.ts';
import { createEraCache } from '../router/negotiation/era-cache.ts';
import { ModernClientRoute } from '../router/negotiation/modern-client.ts';
import { createLegacyClientRoute, type LegacyClientOptions } from '../router/negotiation/legacy-client.ts';
import { createStdioClientRoute } from '../router/negotiation/stdio-client.ts';
import { createProcessPool } from '../router/modern-to-legacy/process-pool.ts';
import type { ModernBackend } from '../router/modern-backend.ts';
import { ModernMultiplexer } from '../router/multiplex/modern.ts';
import { BackendPerPrincipal } from '../router/per-principal.ts';
import { SendBufferLimit } from '../router/shared-process/send-buffer-limit.ts';
import type { OwnOptions, Supervisor } from '../upstream/supervision/supervisor.ts';
import type { SkippedOutput } from './skipped-output.ts';
import type { ProcessSlots } from './process-slots.ts';
import { packageVersion } from './version.ts';

/** A client that sends `initialize`, and has a process of its own. */
interface LegacyClient {
  readonly principal: string;
  /** Of its process. */
  readonly noticed: SkippedOutput;
  /** Whether it can be asked something now. */
  canAsk(): boolean;
}

/** The ways to one server, by the era of who wants to go. */
export interface EraRoutes {
  /** For clients of revision 2026-07-28 over the network. */
  readonly modern: ModernBackend;
  /** A process for a client that sends `initialize`. */
  openLegacy(client?: LegacyClient, abandoned?: AbortSignal): Promise<Link>;
  /** A process for clients of one principal that have no sessions, which has a place for as long as it lives. */
  openStateless(principal: string): Promise<Link>;
  /** A process for the parent process. */
  openStdio(client: Omit<LegacyClient, 'principal'>, abandoned?: AbortSignal): Promise<Link>;
}

export interface EraRoutesOptions {
  readonly spec: ServerSpec;
  readonly manifest: Manifest;
  readonly supervisor: Supervisor;
  /** Opens a conversation with the server, as `supervisor` does. */
  readonly open: Supervisor['open'];
  readonly places: ProcessSlots;
  /** Ends an idle session of the principal for a new one; false if there is none. */
  makeRoom(principal: string): Promise<boolean>;
  /** Of processes that several clients use. */
  readonly noticed: SkippedOutput;
  /** What the clients of one process may leave unread together. */
  readonly maxUnreadBytes: number;
  readonly log: Log;
}

/** A local server that takes longer than this, or than half of its time to start, is taken for a legacy one. */
const MIN_PROBE_MS = 30_000;

/** Opens nothing by itself. */
export function createEraRoutes(options: EraRoutesOptions): EraRoutes {
  const { spec, manifest, supervisor, open, places, makeRoom, noticed, maxUnreadBytes, log } = options;
  const { name } = spec;
  const { settings } = manifest;
  const pinned = spec.era ?? settings.era;
  const known = createEraCache(pinned === 'auto' ? undefined : pinned);
  const version = packageVersion();
  const isRemote = spec.target.kind === 'remote';
  const probing = { version, ...limitsOfProbe(isRemote, supervisor.startTimeoutMs) };
  const isShared = (spec.isolation ?? settings.isolation) === 'shared';
  const toLegacyServer = (
    openChild: (principal: string) => Promise<Link>,
    first: Link | undefined,
    principalOfFirst: string,
  ): ModernBackend =>
    createProcessPool({
      server: name,
      version,
      // It may turn out not to be one: then what it has begun goes on, and whoever comes next knows better.
      openChild: async (principal) => toLegacyClient(reattachable(await openChild(principal))),
      first: first === undefined ? undefined : toLegacyClient(first, undefined, { wasProbed: true }),
      principalOfFirst,
      initializeTimeoutMs: supervisor.startTimeoutMs,
      childIdleMs: settings.childIdleMs,
      inputTtlMs: spec.inputTtlMs ?? settings.inputTtlMs,
      maxSuspended: settings.maxSuspended,
      attribution: spec.attribution,
      warm: spec.warm,
      maxUnreadBytes,
      remarkSince: noticed.remarkSince,
      log,
    });

  return {
    modern: new ModernClientRoute({
      ...probing,
      known,
      openChild,
      toModernServer,
      toLegacyServer: (first, principal) => toLegacyServer(openChild, first, principal),
    }),
    openLegacy,
    openStateless: async (principal) => toLegacyClient(reattachable(await openChild(principal))),
    async openStdio(client, abandoned) {
      const first = await open(abandoned, own(client.noticed));
      return createStdioClientRoute(first, {
        ...probing,
        known,
        openChild: () => reopen(client.noticed),
        toLegacyClient: (child, wasProbed) => toLegacyClient(child, client, { wasProbed }),
        toLegacyServer: (child) => toLegacyServer(() => reopen(client.noticed), child, first.principal),
      });
    },
  };

  /** One process for each principal, unless the server is to be shared. */
  function toModernServer(first: Link | undefined, principal: string): ModernBackend {
    const common = { server: name, maxUnreadBytes, idleMs: settings.childIdleMs, log };
    if (isShared) return ModernMultiplexer.create({ ...common, first, openUpstream: () => openChild('') });
    const unread = new SendBufferLimit(maxUnreadBytes, log);
    return BackendPerPrincipal.create(
      (owner, onUnused, own) =>
        ModernMultiplexer.create({
          ...common,
          first: own,
          openUpstream: () => openChild(owner),
          principal: owner,
          unread,
          onUnused,
        }),
      first === undefined ? undefined : { link: first, principal },
    );
  }

  async function openLegacy(client?: LegacyClient, abandoned?: AbortSignal): Promise<Link> {
    const child = await open(abandoned, own(client?.noticed, client?.principal));
    return toLegacyClient(reattachable(child), client);
  }

  function toLegacyClient(
    child: Link,
    client?: Omit<LegacyClient, 'principal'>,
    { wasProbed = false }: Pick<LegacyClientOptions, 'wasProbed'> = {},
  ): Link {
    return createLegacyClientRoute(child, {
      ...probing,
      server: name,
      known,
      reopen: () => reopen(client?.noticed),
      asksFirst: isRemote,
      // Requests to a remote server have no process in common that one of them could settle.
      wasProbed: wasProbed && !isRemote,
      ...(client !== undefined && { canAsk: () => client.canAsk() }),
      log,
    });
  }

  function reopen(of?: SkippedOutput): Promise<Link> {
    return open(undefined, own(of));
  }

  function own({ onSkipped }: SkippedOutput = noticed, principal?: string): OwnOptions {
    return { onSkipped, ...(principal !== undefined && { makeRoom: () => makeRoom(principal) }) };
  }

  /** A process for clients without sessions, which has a place for as long as it lives. */
  async function openChild(principal: string): Promise<Link> {
    let isLeaving = false;
    const place = places.acquire({ server: name, principal, isLeaving: () => isLeaving });
    try {
      await place.ready();
      if (supervisor.isClosed) throw new RunError('SHUTTING_DOWN');
      const child = await open(undefined, own(noticed, principal));
      // A process that hung up runs on for a while, and keeps its place until it has ended.
      const link = reattachable(child, () => {
        isLeaving = true;
        void child.close().finally(place.release);
      });
      return new PlacedLink(link, () => {
        isLeaving = true;
      });
    } catch (error) {
      place.release();
      throw error;
    }
  }
}

/** A link whose process is about to end as soon as the link is closed. */
class PlacedLink extends ForwardingLink {
  readonly #onLeaving: () => void;

  constructor(link: Link, onLeaving: () => void) {
    super(link);
    this.#onLeaving = onLeaving;
  }

  override close(reason?: Error): Promise<void> {
    this.#onLeaving();
    return super.close(reason);
  }
}

/**
 * A user may have to sign in before a remote server says anything, and a local one may have to be downloaded. A ping says
 * something about servers that read one request after the other, which remote ones do not.
 */
function limitsOfProbe(isRemote: boolean, startTimeoutMs: number): { silenceMs?: number; longestMs: number } {
  if (isRemote) return { silenceMs: Infinity, longestMs: startTimeoutMs };
  return { longestMs: Math.max(MIN_PROBE_MS, startTimeoutMs / 2) };
}
