import type { Readable, Writable } from 'node:stream';
import { systemClock, type Clock } from '../clock.ts';
import type { Authenticate, HttpOptions, Listener, Readiness } from '../downstream/listeners.ts';
import { RunError } from '../errors.ts';
import type { Manifest } from '../manifest/settings.ts';
import { secretsOf } from '../observe/known-secrets.ts';
import type { Log } from '../observe/log.ts';
import { createMask } from '../observe/mask.ts';
import { maskLog } from '../observe/masked-log.ts';
import { Upstreams } from '../upstream/upstream.ts';
import { describeEndpoints, type Endpoints } from './endpoints.ts';
import { loadTranslators } from './era-routes.ts';
import { warningsAbout } from './open-origins.ts';
import { ProcessSlots } from './process-slots.ts';
import { ServedServer } from './served-server.ts';
import { createStatus, type Status } from './status.ts';
import { isOpenToAnyone } from './capability-policy.ts';

export interface GatewayOptions {
  readonly manifest: Manifest;
  readonly log: Log;
  /** For the stdio transport; our own by default. */
  readonly stdin?: Readable;
  readonly stdout?: Writable;
  /** Another application's HTTP server, in place of one of our own; nothing is served over stdio then. */
  readonly application?: Application;
}

/** An application that mcp-run is a part of: it listens, ends the process, and handles signals. */
export interface Application {
  /** The addresses that it listens on; none before it does, and for requests that come another way. */
  readonly boundTo: () => readonly string[];
  /** Takes the place of the manifest's tokens. */
  readonly authenticate: Authenticate | undefined;
  /** Adds MCP's endpoints to it. */
  open(options: HttpOptions, clock: Clock): Promise<Listener>;
}

/** Everything that runs, from one manifest: listeners, conversations and the servers behind them. */
export interface Gateway {
  /** @throws RunError `PORT_IN_USE`, `LISTEN_FAILED`, `SERVER_AMBIGUOUS`, `NO_SERVERS` */
  start(): Promise<Endpoints>;
  /** Resolves with an exit code when the stdio conversation is over, or else when the gateway is closed. */
  readonly finished: Promise<number>;
  /** Lets running calls finish for the drain time, then stops everything. Idempotent. */
  close(): Promise<void>;
}

class ManifestGateway implements Gateway {
  readonly finished: Promise<number>;
  readonly #options: GatewayOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #isNetwork: boolean;
  readonly #upstreams: Upstreams;
  readonly #servers: ReadonlyMap<string, ServedServer>;
  readonly #status: Status;
  #listener: Listener | undefined;
  /** Set from the call of `close` on. */
  #closing: Promise<void> | undefined;
  #resolveFinished: (exitCode: number) => void = () => {};

  constructor(options: GatewayOptions, clock: Clock) {
    const { manifest } = options;
    const { settings, servers } = manifest;
    this.#options = options;
    this.#clock = clock;
    this.#upstreams = new Upstreams(clock, options.application === undefined);
    // Messages of a server, of a client or about them may repeat the secrets that a server was started with.
    const log = maskLog(options.log, createMask(servers.flatMap(({ target }) => secretsOf(target))));
    this.#log = log;
    this.#isNetwork =
      options.application !== undefined || settings.transports.some((each) => each !== 'stdio');
    const slots = new ProcessSlots(settings, (principalId, server) => this.#evictIdle(principalId, server));
    this.#servers = new Map(
      servers.map((spec) => [
        spec.name,
        new ServedServer({
          spec,
          manifest,
          slots,
          upstreams: this.#upstreams,
          isOpen: () => this.#isOpenToAnyone(),
          clock,
          log,
        }),
      ]),
    );
    this.#status = createStatus([...this.#servers.values()].map(({ supervisor }) => supervisor));
    this.finished = new Promise((resolve) => {
      this.#resolveFinished = resolve;
    });
  }

  async start(): Promise<Endpoints> {
    const { manifest, application } = this.#options;
    if (this.#servers.size === 0) throw new RunError('NO_SERVERS', { source: manifest.source });
    const hasStdio = application === undefined && manifest.settings.transports.includes('stdio');
    const stdioServer = hasStdio ? this.#onlyServer() : undefined;
    // Processes start while the listener loads: over stdio a client is waiting already, and a process that all clients
    // share is needed in any case.
    for (const server of this.#servers.values()) server.keep();
    if (stdioServer !== undefined) await this.#startStdio(stdioServer);
    if (this.#isNetwork) await this.#startListener();
    return describeEndpoints(manifest, this.#listener?.url);
  }

  close(): Promise<void> {
    this.#closing ??= this.#shutDown();
    return this.#closing;
  }

  // Start

  #onlyServer(): ServedServer {
    const [server, ...others] = this.#servers.values();
    if (server === undefined || others.length > 0) {
      const { source } = this.#options.manifest;
      const available = [...this.#servers.keys()].join(', ');
      throw new RunError('SERVER_AMBIGUOUS', { source, count: this.#servers.size, available });
    }
    return server;
  }

  async #startStdio(server: ServedServer): Promise<void> {
    const { createStdioDownstream } = await import('../downstream/stdio.ts');
    if (this.#closing !== undefined) return;
    const { manifest, stdin, stdout } = this.#options;
    const link = createStdioDownstream({
      input: stdin ?? process.stdin,
      output: stdout ?? process.stdout,
      lineLimitBytes: manifest.settings.lineLimitBytes,
      clock: this.#clock,
    });
    const { closed } = server.join(link, { isNetwork: false, eager: true });
    void closed.then((reason) => {
      // Serving over the network as well, we stay for those clients.
      if (!this.#isNetwork) this.#resolveFinished(exitCodeOf(reason));
    });
  }

  async #startListener(): Promise<void> {
    this.#warnIfOpen();
    const [open] = await Promise.all([
      this.#loadListener(),
      this.#upstreams.load(this.#options.manifest.servers.map(({ target }) => target)),
      loadTranslators(),
    ]);
    this.#listener = await open(this.#httpOptions(), this.#clock);
    // Closed while it was being opened: `#shutDown` has not seen it.
    if (this.#closing !== undefined) return this.#listener.close();
    // No process is started before its client comes: report now the errors that its start would have.
    await Promise.all([...this.#servers.values()].map(({ supervisor }) => supervisor.inspect()));
  }

  async #loadListener(): Promise<Application['open']> {
    const { application } = this.#options;
    if (application !== undefined) return (options, clock) => application.open(options, clock);
    return (await import('../downstream/http/server.ts')).startHttpListener;
  }

  #httpOptions(): HttpOptions {
    const { manifest, application } = this.#options;
    const { settings, tokens } = manifest;
    return {
      ...settings,
      tokens,
      authenticate: application?.authenticate,
      health: true,
      sse: settings.transports.includes('sse'),
      http: settings.transports.includes('http'),
      servers: [...this.#servers.keys()],
      admit: (name) => {
        const reason = this.#serverNamed(name).supervisor.rejectionReason();
        if (reason !== undefined) throw reason;
      },
      accept: (link, name, use) => {
        this.#serverNamed(name).join(link, { isNetwork: true, eager: use === 'request' });
      },
      begin: (client, name) => this.#serverNamed(name).begin(client),
      readiness: () => this.#readiness(),
      log: this.#log,
    };
  }

  #warnIfOpen(): void {
    const { manifest } = this.#options;
    for (const warning of warningsAbout(manifest.settings))
      this.#log.warn({ event: 'gateway.open-origin' }, warning);
    // Another application has not begun to listen.
    if (this.#options.application !== undefined || !this.#isOpenToAnyone()) return;
    const { host } = manifest.settings;
    const text = `anyone who reaches ${host} can use the servers; what lets them ask a client's user is withheld`;
    this.#log.warn({ event: 'gateway.open', host }, text);
  }

  // For its parts

  #isOpenToAnyone(): boolean {
    const { manifest, application } = this.#options;
    if (application?.authenticate !== undefined) return false;
    return isOpenToAnyone(manifest, application?.boundTo() ?? [manifest.settings.host]);
  }

  #readiness(): Readiness {
    const current = this.#status.readiness();
    if (this.#closing === undefined) return current;
    return { ...current, codes: ['shutting down'], problems: { gateway: 'shutting down' } };
  }

  #serverNamed(name: string): ServedServer {
    const server = this.#servers.get(name);
    if (this.#closing !== undefined || server === undefined) throw new RunError('SHUTTING_DOWN');
    return server;
  }

  /** Ends the conversation that the principal left idle longest; a session first. @returns false if there is none to spare */
  #evictIdle(principalId: string, server: string | undefined): boolean {
    if (this.#listener?.evictIdle(principalId, server) === true) return true;
    for (const served of this.#servers.values()) {
      if ((server === undefined || served.name === server) && served.evictIdle(principalId)) return true;
    }
    return false;
  }

  // End

  async #shutDown(): Promise<void> {
    this.#listener?.drain();
    await this.#drained();
    const reason = new RunError('SHUTTING_DOWN');
    await Promise.all([...this.#servers.values()].map((server) => server.close(reason)));
    await Promise.all([this.#listener?.close(), this.#upstreams.close()]);
    this.#resolveFinished(0);
  }

  /** Resolves when no call is running, or after the time for that. */
  async #drained(): Promise<void> {
    let cancel: () => void = () => {};
    const { drainTimeoutMs } = this.#options.manifest.settings;
    const timedOut = new Promise<void>((resolve) => (cancel = this.#clock.after(drainTimeoutMs, resolve)));
    const drained = Promise.all([...this.#servers.values()].map((server) => server.idle()));
    await Promise.race([drained, timedOut]);
    cancel();
  }
}

/** Connects the parts; nothing is opened before `start`. */
export function createGateway(options: GatewayOptions, clock: Clock = systemClock): Gateway {
  return new ManifestGateway(options, clock);
}

/** The server's own exit code, if it has chosen one; else what the reason stands for. */
function exitCodeOf(reason: RunError): number {
  const { exitCode } = reason.fields;
  if (typeof exitCode === 'number') return exitCode;
  return reason.code === 'CLIENT_GONE' || reason.code === 'SHUTTING_DOWN' ? 0 : reason.exitCode;
}
