import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Listener, Readiness } from '../downstream/listeners.ts';
import { RunError } from '../errors.ts';
import type { Manifest } from '../manifest/settings.ts';
import { secretsOf } from '../observe/known-secrets.ts';
import type { Log } from '../observe/log.ts';
import { createMask } from '../observe/mask.ts';
import { maskLog } from '../observe/masked-log.ts';
import { Upstreams } from '../upstream/upstream.ts';
import { describeEndpoints, type Endpoints } from './endpoints.ts';
import { warningsAbout } from './open-origins.ts';
import { createProcessSlots } from './process-slots.ts';
import { createServedServer, type ServedServer } from './served-server.ts';
import { createStatus } from './status.ts';
import { isOpenToAnyone } from './capability-policy.ts';

export interface GatewayOptions {
  readonly manifest: Manifest;
  readonly log: Log;
  /** For the stdio transport; our own by default. */
  readonly stdin?: Readable;
  readonly stdout?: Writable;
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

/** Connects the parts; nothing is opened before `start`. */
export function createGateway({ manifest, log: openLog, stdin, stdout }: GatewayOptions): Gateway {
  const { settings, source } = manifest;
  // A server, a client, or we about them, may repeat what a server was started with.
  const log = maskLog(openLog, createMask(manifest.servers.flatMap(({ target }) => secretsOf(target))));
  const isNetwork = settings.transports.some((transport) => transport !== 'stdio');
  const places = createProcessSlots(
    settings,
    (principal, server) => listener?.evictIdle(principal, server) === true || endIdlest(principal, server),
  );
  const upstreams = new Upstreams();
  const servers = new Map(
    manifest.servers.map((spec) => [spec.name, createServedServer(spec, manifest, places, upstreams, log)]),
  );
  const status = createStatus([...servers.values()].map(({ supervisor }) => supervisor));
  let listener: Listener | undefined;
  let closing: Promise<void> | undefined;
  let resolveFinished: (exitCode: number) => void = () => {};
  const finished = new Promise<number>((resolve) => {
    resolveFinished = resolve;
  });

  return {
    finished,
    async start() {
      if (servers.size === 0) throw new RunError('NO_SERVERS', { source });
      const stdioServer = settings.transports.includes('stdio') ? onlyServer() : undefined;
      // Processes start while the listener loads: whoever serves over stdio has a client waiting, and one that all
      // share is needed in any case.
      for (const server of servers.values()) server.keep();
      if (stdioServer !== undefined) await startStdio(stdioServer);
      if (isNetwork) await startListener();
      return describeEndpoints(manifest, listener?.url);
    },
    close() {
      closing ??= shutDown();
      return closing;
    },
  };

  function onlyServer(): ServedServer {
    const [server, ...others] = servers.values();
    if (server === undefined || others.length > 0) {
      const available = [...servers.keys()].join(', ');
      throw new RunError('SERVER_AMBIGUOUS', { source, count: servers.size, available });
    }
    return server;
  }

  async function startStdio(server: ServedServer): Promise<void> {
    const { createStdioDownstream } = await import('../downstream/stdio.ts');
    if (closing !== undefined) return;
    const { lineLimitBytes } = settings;
    const link = createStdioDownstream({
      input: stdin ?? process.stdin,
      output: stdout ?? process.stdout,
      lineLimitBytes,
    });
    const { closed } = server.join(link, { isNetwork: false, eager: true });
    void closed.then((reason) => {
      // Serving over the network as well, we stay for those clients.
      if (!isNetwork) resolveFinished(exitCodeOf(reason));
    });
  }

  async function startListener(): Promise<void> {
    warnIfOpen();
    const [{ startHttpListener }] = await Promise.all([
      import('../downstream/http/server.ts'),
      upstreams.load(manifest.servers.map(({ target }) => target)),
    ]);
    listener = await startHttpListener({
      ...settings,
      tokens: manifest.tokens,
      sse: settings.transports.includes('sse'),
      http: settings.transports.includes('http'),
      servers: [...servers.keys()],
      admit(name) {
        const refusal = serverNamed(name).supervisor.rejectionReason();
        if (refusal !== undefined) throw refusal;
      },
      accept(link, name, use) {
        serverNamed(name).join(link, { isNetwork: true, eager: use === 'request' });
      },
      begin: (client, name) => serverNamed(name).begin(client),
      readiness,
      log,
    });
    // Closed while it was being opened: `shutDown` has not seen it.
    if (closing !== undefined) return listener.close();
    // No process is started before its client comes: say now what would fail then.
    await Promise.all([...servers.values()].map(({ supervisor }) => supervisor.inspect()));
  }

  function readiness(): Readiness {
    const current = status.readiness();
    if (closing === undefined) return current;
    return { ...current, codes: ['shutting down'], problems: { gateway: 'shutting down' } };
  }

  function endIdlest(principal: string, server: string | undefined): boolean {
    for (const served of servers.values()) {
      if ((server === undefined || served.name === server) && served.evictIdle(principal)) return true;
    }
    return false;
  }

  function serverNamed(name: string): ServedServer {
    const server = servers.get(name);
    if (closing !== undefined || server === undefined) throw new RunError('SHUTTING_DOWN');
    return server;
  }

  function warnIfOpen(): void {
    for (const warning of warningsAbout(settings)) log.warn({ event: 'gateway.open-origin' }, warning);
    if (!isOpenToAnyone(manifest)) return;
    const { host } = settings;
    const text = `anyone who reaches ${host} can use the servers; what lets them ask a client's user is withheld`;
    log.warn({ event: 'gateway.open', host }, text);
  }

  async function shutDown(): Promise<void> {
    listener?.drain();
    const drained = Promise.all([...servers.values()].map((server) => server.idle()));
    await Promise.race([drained, delay(settings.drainTimeoutMs, undefined, { ref: false })]);
    const reason = new RunError('SHUTTING_DOWN');
    await Promise.all([...servers.values()].map((server) => server.close(reason)));
    await Promise.all([listener?.close(), upstreams.close()]);
    resolveFinished(0);
  }
}

/** The server's own exit code, if it has chosen one; else what the reason stands for. */
function exitCodeOf(reason: RunError): number {
  const { exitCode } = reason.fields;
  if (typeof exitCode === 'number') return exitCode;
  return reason.code === 'CLIENT_GONE' || reason.code === 'SHUTTING_DOWN' ? 0 : reason.exitCode;
}
