import { systemClock } from '../clock.ts';
import { RunError } from '../errors.ts';
import { compose } from '../link/compose.ts';
import { createToolFilter, toolFilter } from '../link/tool-filter.ts';
import type { Manifest, ServerSpec } from '../manifest/settings.ts';
import type { Log } from '../observe/log.ts';
import type { ClientExchange, ServerExchange } from '../link/client-exchange.ts';
import type { Link } from '../link/link.ts';
import { Conversation } from '../router/conversation.ts';
import { ModernConversations } from '../router/modern-conversations.ts';
import type { Capability } from '../config/types.ts';
import { capabilityFilter } from '../link/capability-filter.ts';
import { PerPrincipal } from '../router/per-principal.ts';
import { LegacyMultiplexer, type LegacyMultiplexerOptions } from '../router/multiplex/legacy.ts';
import { SendBufferLimit } from '../router/shared-process/send-buffer-limit.ts';
import { Supervisor } from '../upstream/supervision/supervisor.ts';
import type { Upstreams } from '../upstream/upstream.ts';
import { EraRoutes } from './era-routes.ts';
import { createSkippedOutput, type SkippedOutput } from './skipped-output.ts';
import type { ProcessSlots, SlotOwner } from './process-slots.ts';
import { packageVersion } from './version.ts';
import { NOTHING, withheldFrom } from './capability-policy.ts';

/** Who a link's client is to a server. */
export interface JoinOptions {
  /** It came over the network, and is not whoever started us. */
  readonly isNetwork: boolean;
  /** Its first message may be any request; otherwise it is `initialize`. */
  readonly eager: boolean;
}

/** One server of the manifest with everything that runs for it. */
export interface ServedServer {
  readonly name: string;
  readonly supervisor: Supervisor;
  /** Keeps the process of a shared server running from now on; others are started by their clients. */
  keep(): void;
  /** Joins a client to the server. */
  join(downstream: Link, guest: JoinOptions): Conversation;
  /** Sends a request of revision 2026-07-28 to the server. @throws RunError for what is refused before that */
  begin(client: ClientExchange): ServerExchange;
  /** Ends a process that serves clients of this principal without sessions, and that it left idle; false if there is none. */
  evictIdle(principal: string): boolean;
  /** Resolves when no call is running. */
  idle(): Promise<void>;
  /** Ends its conversations and its processes. */
  close(reason: RunError): Promise<void>;
}

/** What the clients of a shared server may leave unread together: this many messages of the largest size, or more. */
const UNREAD_LINES = 4;
const MIN_UNREAD_BYTES = 32 * 1024 * 1024;

/** Nothing is started before `keep` or `join`. */
export function createServedServer(
  spec: ServerSpec,
  manifest: Manifest,
  gatewayPlaces: ProcessSlots,
  upstreams: Upstreams,
  gatewayLog: Log,
): ServedServer {
  const { name } = spec;
  const { settings } = manifest;
  const places = spec.target.kind === 'remote' ? gatewayPlaces.withoutLimit() : gatewayPlaces;
  const log = gatewayLog.child({ server: name });
  const isShared = (spec.isolation ?? settings.isolation) === 'shared';
  const supervisor = new Supervisor({
    server: name,
    target: spec.target,
    openUpstream: (target, options) => upstreams.open(target, options),
    lineLimitBytes: settings.lineLimitBytes,
    stdout: spec.stdout,
    initializeTimeoutMs: settings.initializeTimeoutMs,
    // Over stdio alone there is one client, and when its server dies we end; one that all share is kept running.
    probesRecovery: settings.transports.some((transport) => transport !== 'stdio') && !isShared,
    log,
  });
  /** Of processes that several clients use. */
  const noticed = createSkippedOutput();
  const maxUnreadBytes = Math.max(MIN_UNREAD_BYTES, UNREAD_LINES * settings.lineLimitBytes);
  const routes = new EraRoutes({
    spec,
    manifest,
    supervisor,
    open: openerOf(spec, supervisor, log),
    places,
    makeRoom,
    noticed,
    maxUnreadBytes,
    log,
  });
  /** The process of all clients. */
  const share = isShared
    ? new LegacyMultiplexer({ ...shareOptions(), openUpstream: () => routes.openLegacy() })
    : undefined;
  /** Without sessions a client has no process of its own, but its principal has. */
  const shares = settings.stateless && !isShared ? createShares() : undefined;
  const conversations = new Set<Conversation>();
  const modern = new ModernConversations({
    ...common(noticed),
    backend: routes.modern,
    withheld: withheldFrom(spec, manifest),
    // A request of 2026-07-28 declares its client's capabilities each time, and each would be logged.
    onWithheld: (capabilities) =>
      log.debug(
        { event: 'client.withheld', capabilities },
        `withheld from the server: ${capabilities.join(', ')}`,
      ),
    clock: systemClock,
  });

  return {
    name,
    supervisor,
    keep: () => share?.keep(),
    join: joinLegacy,
    begin: (client) => modern.begin(client),
    evictIdle: (principal) =>
      shares?.find(principal)?.endIdle() === true || routes.modern.evictIdle(principal),
    async idle() {
      await Promise.all([modern.idle(), ...[...conversations].map((conversation) => conversation.idle())]);
    },
    async close(reason) {
      const stopped = supervisor.close();
      modern.close(reason);
      await Promise.all([...conversations].map((conversation) => conversation.close(reason)));
      await routes.modern.close(reason);
      await stopped;
      await Promise.all([share?.close(), ...(shares?.all() ?? []).map((each) => each.close())]);
    },
  };

  function shareOptions(): Omit<LegacyMultiplexerOptions, 'openUpstream'> {
    return {
      server: name,
      version: packageVersion(),
      initializeTimeoutMs: supervisor.startTimeoutMs,
      maxUnreadBytes,
      remarkSince: noticed.remarkSince,
      log,
    };
  }

  function createShares(): PerPrincipal<LegacyMultiplexer> {
    const unread = new SendBufferLimit(maxUnreadBytes, log);
    return new PerPrincipal(
      (principal, onUnused) =>
        new LegacyMultiplexer({
          ...shareOptions(),
          openUpstream: () => routes.openStateless(principal),
          idleMs: settings.childIdleMs,
          unread,
          onUnused,
        }),
    );
  }

  function joinLegacy(downstream: Link, { isNetwork, eager }: JoinOptions): Conversation {
    const tenant: SlotOwner = {
      server: name,
      principal: downstream.principal,
      isLeaving: () => conversation.isClosed,
    };
    // The parent process always has a session.
    const hasOwn = share === undefined && (shares === undefined || !isNetwork);
    let place = isNetwork || !hasOwn ? undefined : places.acquireAlways(tenant);
    const own = hasOwn ? createSkippedOutput() : noticed;
    const withheld = isNetwork ? withheldFrom(spec, manifest) : NOTHING;
    const conversation: Conversation = Conversation.join(allowed(downstream, withheld), {
      ...common(own),
      eager,
      reserve: () => {
        // A process that several clients use has a place of its own, or needs none.
        if (hasOwn) place ??= places.acquire(tenant);
      },
      openUpstream: async (abandoned) => {
        const shared = hasOwn ? undefined : (share ?? shares?.of(downstream.principal));
        // A POST without a session ends with its answer.
        if (shared !== undefined) return shared.open({ isSession: !isNetwork || !eager });
        await place?.ready();
        if (conversation.isClosed) throw new RunError('CLIENT_GONE');
        const canAsk = (): boolean => downstream.supports.requests;
        if (!isNetwork) return await routes.openStdio({ canAsk, noticed: own }, abandoned);
        return await routes.openLegacy({ canAsk, principal: downstream.principal, noticed: own }, abandoned);
      },
    });
    void conversation.closed.then(() => place?.release());
    return keepTrack(conversation);
  }

  /** The client, without what it may declare and the server does not get to see. */
  function allowed(client: Link, withheld: ReadonlySet<Capability>): Link {
    return capabilityFilter({
      withheld,
      onWithheld: (capabilities) => reportWithheld(log, capabilities),
    })(client);
  }

  function common({ remarkSince }: SkippedOutput) {
    return {
      server: name,
      initializeTimeoutMs: supervisor.startTimeoutMs,
      requestTimeoutMs: spec.requestTimeoutMs ?? settings.requestTimeoutMs,
      maxRequestTimeMs: settings.maxRequestTimeMs,
      remarkSince,
      log,
    };
  }

  /** Ends an idle session of the principal for a new one. @returns false if there is none, otherwise true when the server knows */
  async function makeRoom(principal: string): Promise<boolean> {
    if (!places.evictIdle(principal, name)) return false;
    const ending = [...conversations].filter(({ isClosed }) => isClosed);
    await Promise.all(ending.map(({ closed }) => closed));
    return true;
  }

  function keepTrack(conversation: Conversation): Conversation {
    conversations.add(conversation);
    void conversation.closed.then(() => conversations.delete(conversation));
    return conversation;
  }
}

function reportWithheld(log: Log, capabilities: readonly string[]): void {
  const names = capabilities.join(', ');
  log.info(
    { event: 'client.withheld', capabilities },
    `withheld from the server: the client's ${names} ("allow" in the server's entry passes them on)`,
  );
}

/** Opens conversations that hide what the server's entry does not allow. */
function openerOf({ name, tools }: ServerSpec, supervisor: Supervisor, log: Log): Supervisor['open'] {
  if (tools === undefined) return async (...of) => await supervisor.open(...of);
  const filter = createToolFilter(tools);
  const onUnmatched = (patterns: readonly string[]): void =>
    log.warn(
      { event: 'server.tools-unmatched', patterns },
      `Server "${name}" has no tool that matches ${patterns.join(', ')}; check "tools" in its entry`,
    );
  const filters = [toolFilter({ server: name, filter, onUnmatched })];
  return async (...of) => compose(await supervisor.open(...of), filters);
}
