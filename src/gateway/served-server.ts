import type { Clock } from '../clock.ts';
import type { Capability } from '../config/types.ts';
import { RunError } from '../errors.ts';
import type { ClientExchange, ServerExchange } from '../link/client-exchange.ts';
import { compose } from '../link/compose.ts';
import type { Link } from '../link/link.ts';
import type { Manifest, ServerSpec } from '../manifest/settings.ts';
import type { Log } from '../observe/log.ts';
import { Conversation } from '../router/conversation/conversation.ts';
import { ModernConversations } from '../router/modern-conversations.ts';
import { LegacyMultiplexer, type LegacyMultiplexerOptions } from '../router/multiplex/legacy.ts';
import { PerPrincipal } from '../router/per-principal.ts';
import { SendBufferLimit } from '../router/shared-process/send-buffer-limit.ts';
import { Supervisor } from '../upstream/supervision/supervisor.ts';
import type { Upstreams } from '../upstream/upstream.ts';
import { NOTHING, withheldFrom } from './capability-policy.ts';
import { ConversationSlot } from './conversation-slot.ts';
import { EraRoutes } from './era-routes.ts';
import type { ProcessSlots } from './process-slots.ts';
import { ServerFilters } from './server-filters.ts';
import { createSkippedOutput, type SkippedOutput } from './skipped-output.ts';
import { packageVersion } from './version.ts';

/** How a client's link is joined to a server. */
export interface JoinOptions {
  /** The client came over the network, and is not the process that started us. */
  readonly isNetwork: boolean;
  /** Its first message may be any request; otherwise it is `initialize`. */
  readonly eager: boolean;
}

export interface ServedServerOptions {
  readonly spec: ServerSpec;
  readonly manifest: Manifest;
  /** Of the whole gateway. */
  readonly slots: ProcessSlots;
  readonly upstreams: Upstreams;
  /** Whether clients on other machines are accepted without authentication. */
  readonly isOpen: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** What the clients of a shared server may leave unread together: this many messages of the largest size, or more. */
const UNREAD_LINES = 4;
const MIN_UNREAD_BYTES = 32 * 1024 * 1024;

/** One server of the manifest with everything that runs for it. Nothing is started before `keep`, `join` or `begin`. */
export class ServedServer {
  readonly name: string;
  readonly supervisor: Supervisor;
  readonly #spec: ServerSpec;
  readonly #manifest: Manifest;
  readonly #slots: ProcessSlots;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #filters: ServerFilters;
  readonly #routes: EraRoutes;
  readonly #maxUnreadBytes: number;
  /** Of processes that several clients use. */
  readonly #skipped: SkippedOutput;
  /** The process of all clients. */
  readonly #shared: LegacyMultiplexer | undefined;
  /** Without sessions a client has no process of its own, but its principal has. */
  readonly #perPrincipal: PerPrincipal<LegacyMultiplexer> | undefined;
  readonly #conversations = new Set<Conversation>();
  readonly #isOpen: () => boolean;
  /** From the first request of revision 2026-07-28 on: by then it is known how clients connect. */
  #modern: ModernConversations | undefined;

  constructor({ spec, manifest, slots, upstreams, isOpen, clock, log }: ServedServerOptions) {
    const { settings } = manifest;
    const isShared = (spec.isolation ?? settings.isolation) === 'shared';
    this.name = spec.name;
    this.#spec = spec;
    this.#manifest = manifest;
    this.#slots = spec.target.kind === 'remote' ? slots.withoutLimit() : slots;
    this.#isOpen = isOpen;
    this.#clock = clock;
    this.#log = log.child({ server: spec.name });
    this.#skipped = createSkippedOutput(clock);
    this.#maxUnreadBytes = Math.max(MIN_UNREAD_BYTES, UNREAD_LINES * settings.lineLimitBytes);
    this.#filters = new ServerFilters(spec, this.#log);
    this.supervisor = this.#createSupervisor(upstreams, isShared);
    this.#routes = this.#createRoutes();
    this.#shared = isShared ? this.#createShared() : undefined;
    this.#perPrincipal = settings.stateless && !isShared ? this.#createPerPrincipal() : undefined;
  }

  /** Keeps the process of a shared server running from now on; others are started by their clients. */
  keep(): void {
    this.#shared?.keep();
  }

  /** Joins a client to the server. */
  join(client: Link, options: JoinOptions): Conversation {
    const { isNetwork, eager } = options;
    // The parent process always has a session.
    const hasOwn = this.#shared === undefined && (this.#perPrincipal === undefined || !isNetwork);
    const owner = { server: this.name, principalId: client.principal.id };
    const slot = hasOwn ? new ConversationSlot(this.#slots, owner) : undefined;
    if (!isNetwork) slot?.reserveAlways();
    const skipped = hasOwn ? createSkippedOutput(this.#clock) : this.#skipped;
    const withheld = isNetwork ? this.#withheld() : NOTHING;
    const conversation = new Conversation(compose(client, this.#filters.aroundClient(withheld)), {
      ...this.#conversationOptions(skipped),
      eager,
      // A process that several clients use has a slot of its own, or needs none.
      reserve: () => slot?.reserve(),
      openUpstream: async (abandoned) => {
        if (slot === undefined) return this.#openShared(client, options);
        await slot.ready();
        return await this.#openOwn(client, options, skipped, abandoned);
      },
    });
    slot?.follow(conversation);
    this.#track(conversation);
    return conversation.start();
  }

  /** Sends a request of revision 2026-07-28 to the server. @throws RunError for what is refused before that */
  begin(client: ClientExchange): ServerExchange {
    this.#modern ??= this.#createModern();
    return this.#modern.begin(client);
  }

  /** Ends an idle process that serves clients of this principal without sessions; false if there is none. */
  evictIdle(principalId: string): boolean {
    return (
      this.#perPrincipal?.find(principalId)?.endIdle() === true || this.#routes.modern.evictIdle(principalId)
    );
  }

  /** Resolves when no call is running. */
  async idle(): Promise<void> {
    const conversations = [...this.#conversations].map((conversation) => conversation.idle());
    await Promise.all([this.#modern?.idle(), ...conversations]);
  }

  /** Ends its conversations and its processes. */
  async close(reason: RunError): Promise<void> {
    const stopped = this.supervisor.close();
    this.#modern?.close(reason);
    await Promise.all([...this.#conversations].map((conversation) => conversation.close(reason)));
    await this.#routes.modern.close(reason);
    await stopped;
    const perPrincipal = this.#perPrincipal?.all() ?? [];
    await Promise.all([this.#shared?.close(), ...perPrincipal.map((each) => each.close())]);
  }

  // The links of a client

  #openShared({ principal }: Link, { isNetwork, eager }: JoinOptions): Link {
    const shared = this.#shared ?? this.#perPrincipal?.of(principal.id);
    if (shared === undefined) throw new RunError('INTERNAL', { detail: 'no process is shared' });
    // A POST without a session ends with its answer.
    return shared.open({ isSession: !isNetwork || !eager });
  }

  #openOwn(
    client: Link,
    { isNetwork }: JoinOptions,
    noticed: SkippedOutput,
    abandoned: AbortSignal,
  ): Promise<Link> {
    const canAsk = (): boolean => client.supports.requests;
    if (!isNetwork) return this.#routes.openStdio({ canAsk, noticed }, abandoned);
    return this.#routes.openLegacy({ canAsk, principalId: client.principal.id, noticed }, abandoned);
  }

  #track(conversation: Conversation): void {
    this.#conversations.add(conversation);
    void conversation.closed.then(() => this.#conversations.delete(conversation));
  }

  /** Ends an idle session of the principal for a new one. @returns false if there is none, otherwise true when the server knows */
  async #makeRoom(principalId: string): Promise<boolean> {
    if (!this.#slots.evictIdle(principalId, this.name)) return false;
    const ending = [...this.#conversations].filter(({ isClosed }) => isClosed);
    await Promise.all(ending.map(({ closed }) => closed));
    return true;
  }

  // The parts

  #createSupervisor(upstreams: Upstreams, isShared: boolean): Supervisor {
    const { settings } = this.#manifest;
    return new Supervisor({
      server: this.name,
      target: this.#spec.target,
      openUpstream: (target, options) => upstreams.open(target, options),
      filters: (health) => this.#filters.aroundServer(health),
      lineLimitBytes: settings.lineLimitBytes,
      stdout: this.#spec.stdout,
      initializeTimeoutMs: settings.initializeTimeoutMs,
      // Over stdio alone there is one client, and when its server dies we end; one that all share is kept running.
      probesRecovery: settings.transports.some((transport) => transport !== 'stdio') && !isShared,
      clock: this.#clock,
      log: this.#log,
    });
  }

  #createRoutes(): EraRoutes {
    return new EraRoutes({
      spec: this.#spec,
      manifest: this.#manifest,
      supervisor: this.supervisor,
      places: this.#slots,
      makeRoom: (principalId) => this.#makeRoom(principalId),
      noticed: this.#skipped,
      maxUnreadBytes: this.#maxUnreadBytes,
      clock: this.#clock,
      log: this.#log,
    });
  }

  #createShared(): LegacyMultiplexer {
    return new LegacyMultiplexer({
      ...this.#multiplexerOptions(),
      openUpstream: () => this.#routes.openLegacy(),
    });
  }

  #createPerPrincipal(): PerPrincipal<LegacyMultiplexer> {
    const unread = new SendBufferLimit(this.#maxUnreadBytes, this.#log);
    return new PerPrincipal(
      (principalId, onUnused) =>
        new LegacyMultiplexer({
          ...this.#multiplexerOptions(),
          openUpstream: () => this.#routes.openStateless(principalId),
          idleMs: this.#manifest.settings.childIdleMs,
          unread,
          onUnused,
        }),
    );
  }

  #multiplexerOptions(): Omit<LegacyMultiplexerOptions, 'openUpstream'> {
    return {
      server: this.name,
      version: packageVersion(),
      initializeTimeoutMs: this.supervisor.startTimeoutMs,
      maxUnreadBytes: this.#maxUnreadBytes,
      remarkSince: this.#skipped.remarkSince,
      clock: this.#clock,
      log: this.#log,
    };
  }

  #withheld(): ReadonlySet<Capability> {
    return withheldFrom(this.#spec, this.#manifest, this.#isOpen());
  }

  #createModern(): ModernConversations {
    return new ModernConversations({
      ...this.#conversationOptions(this.#skipped),
      backend: this.#routes.modern,
      withheld: this.#withheld(),
      // A request of 2026-07-28 declares its client's capabilities each time, and each would be logged.
      onWithheld: (capabilities) =>
        this.#log.debug(
          { event: 'client.withheld', capabilities },
          `withheld from the server: ${capabilities.join(', ')}`,
        ),
    });
  }

  #conversationOptions({ remarkSince }: SkippedOutput) {
    const { settings } = this.#manifest;
    return {
      server: this.name,
      initializeTimeoutMs: this.supervisor.startTimeoutMs,
      requestTimeoutMs: this.#spec.requestTimeoutMs ?? settings.requestTimeoutMs,
      maxRequestTimeMs: settings.maxRequestTimeMs,
      remarkSince,
      clock: this.#clock,
      log: this.#log,
    };
  }
}
