import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Listener } from '../downstream/downstream.ts';
import { RunError } from '../errors.ts';
import type { Manifest, ServerSpec, Transport } from '../manifest/settings.ts';
import type { Log } from '../observe/log.ts';
import { secretsOf, withoutSecrets } from '../observe/redact.ts';
import type { Link } from '../protocol/link.ts';
import { joinLinks, type Conversation } from '../router/router.ts';
import { createShare, type Share } from '../router/share/share.ts';
import { createSupervisor, type Supervisor } from '../upstream/supervisor.ts';
import { createPlaces, type Tenant } from './places.ts';
import { createStatus } from './status.ts';
import { isOpenToAnyone, NOTHING, withheldFrom } from './withheld.ts';
import { packageVersion } from './version.ts';

export interface GatewayOptions {
  readonly manifest: Manifest;
  readonly log: Log;
  /** For the stdio transport; our own by default. */
  readonly stdin?: Readable;
  readonly stdout?: Writable;
}

/** Where one server can be reached; absolute URLs. */
export interface Served {
  readonly name: string;
  readonly http?: string;
  readonly sse?: string;
}

export interface Listening {
  /** Of the HTTP listener, if there is one. */
  readonly url?: string;
  readonly transports: readonly Transport[];
  readonly servers: readonly Served[];
}

/** Everything that runs, from one manifest: listeners, conversations and the servers behind them. */
export interface Gateway {
  /** @throws RunError `PORT_IN_USE`, `LISTEN_FAILED`, `SERVER_AMBIGUOUS`, `NO_SERVERS` */
  start(): Promise<Listening>;
  /** Resolves with an exit code when the stdio conversation is over, or else when the gateway is closed. */
  readonly finished: Promise<number>;
  /** Lets running calls finish for the drain time, then stops everything. Idempotent. */
  close(): Promise<void>;
}

/** What the clients of a shared server may leave unread together: this many messages of the largest size, or more. */
const UNREAD_LINES = 4;
const MIN_UNREAD_BYTES = 32 * 1024 * 1024;

/** Connects the parts; nothing is opened before `start`. */
export function createGateway({ manifest, log, stdin, stdout }: GatewayOptions): Gateway {
  const { settings, servers, source } = manifest;
  const specs = new Map(servers.map((spec) => [spec.name, spec]));
  /** A server, or we about it, may repeat what it was started with. */
  const logs = new Map(
    servers.map(({ name, target }) => [name, withoutSecrets(log.child({ server: name }), secretsOf(target))]),
  );
  const supervisors = new Map(servers.map((spec) => [spec.name, supervise(spec)]));
  const status = createStatus(supervisors.values());
  const conversations = new Set<Conversation>();
  const places = createPlaces(
    settings,
    (principal, server) => listener?.endIdlest(principal, server) ?? false,
  );
  const shares = new Map(servers.filter(isShared).map((spec) => [spec.name, createShareOf(spec)]));
  let listener: Listener | undefined;
  let stdio: Conversation | undefined;
  let closing: Promise<void> | undefined;
  let resolveFinished: (exitCode: number) => void = () => {};
  const finished = new Promise<number>((resolve) => {
    resolveFinished = resolve;
  });

  return {
    finished,
    async start() {
      if (specs.size === 0) throw new RunError('NO_SERVERS', { source });
      const stdioServer = settings.transports.includes('stdio') ? onlyServer() : undefined;
      // The child starts while the listener loads: whoever serves over stdio has a client waiting, and one that all
      // share is needed in any case.
      for (const share of shares.values()) share.keep();
      if (stdioServer !== undefined) await startStdio(stdioServer);
      if (settings.transports.some((transport) => transport !== 'stdio')) await startListener();
      return describe();
    },
    close() {
      closing ??= shutDown();
      return closing;
    },
  };

  function isShared({ isolation }: ServerSpec): boolean {
    // Without sessions there is nothing that a child of one's own could be kept for.
    return settings.stateless || (isolation ?? settings.isolation) === 'shared';
  }

  function createShareOf(spec: ServerSpec): Share {
    return createShare({
      server: spec.name,
      version: packageVersion(),
      initializeTimeoutMs: supervisorOf(spec).startTimeoutMs,
      maxUnreadBytes: Math.max(MIN_UNREAD_BYTES, UNREAD_LINES * settings.lineLimitBytes),
      openUpstream: () => supervisorOf(spec).open(),
      log: logOf(spec),
    });
  }

  async function startStdio(spec: ServerSpec): Promise<void> {
    const { createStdioDownstream } = await import('../downstream/stdio.ts');
    if (closing !== undefined) return;
    const { lineLimitBytes } = settings;
    const input = stdin ?? process.stdin;
    const output = stdout ?? process.stdout;
    stdio = join(createStdioDownstream({ input, output, lineLimitBytes }), spec, {
      isNetwork: false,
      eager: true,
    });
    void stdio.closed.then(async (reason) => {
      // Serving over the network as well, we stay for those clients.
      if (settings.transports.every((transport) => transport === 'stdio'))
        resolveFinished(exitCodeOf(reason));
    });
  }

  async function startListener(): Promise<void> {
    if (isOpenToAnyone(manifest)) {
      const { host } = settings;
      const text = `anyone who reaches ${host} can use the servers; what lets them ask a client's user is withheld`;
      log.warn({ event: 'gateway.open', host }, text);
    }
    const { startHttpListener } = await import('../downstream/http/server.ts');
    listener = await startHttpListener({
      ...settings,
      tokens: manifest.tokens,
      sse: settings.transports.includes('sse'),
      http: settings.transports.includes('http'),
      servers: [...specs.keys()],
      admit(name) {
        const refusal =
          closing === undefined ? supervisors.get(name)?.refusal() : new RunError('SHUTTING_DOWN');
        if (refusal !== undefined) throw refusal;
      },
      accept: (link, name, use) => {
        const spec = specs.get(name);
        if (closing !== undefined || spec === undefined) throw new RunError('SHUTTING_DOWN');
        join(link, spec, { isNetwork: true, eager: use === 'request' });
      },
      notReady: () => (closing === undefined ? status.problems() : { gateway: 'shutting down' }),
      states: () => status.states(),
      log,
    });
    // Closed while it was being opened: `shutDown` has not seen it.
    if (closing !== undefined) return listener.close();
    // No child is started before its client comes: say now what would fail then.
    await Promise.all([...supervisors.values()].map((supervisor) => supervisor.inspect()));
  }

  function supervise(spec: ServerSpec): Supervisor {
    const { name, target, stdout } = spec;
    return createSupervisor({
      server: name,
      target,
      lineLimitBytes: settings.lineLimitBytes,
      stdout,
      initializeTimeoutMs: settings.initializeTimeoutMs,
      // Over stdio alone there is one client, and when its server dies we end; one that all share is kept running.
      hasTrials: settings.transports.some((transport) => transport !== 'stdio') && !isShared(spec),
      log: logOf(spec),
    });
  }

  function join(
    downstream: Link,
    spec: ServerSpec,
    { isNetwork, eager }: { isNetwork: boolean; eager: boolean },
  ): Conversation {
    const share = shares.get(spec.name);
    const tenant: Tenant = {
      server: spec.name,
      principal: downstream.principal,
      isLeaving: () => conversation.isClosed,
    };
    let place = isNetwork || share !== undefined ? undefined : places.seat(tenant);
    const conversation = joinLinks(downstream, {
      server: spec.name,
      eager,
      withheld: isNetwork ? withheldFrom(spec, manifest) : NOTHING,
      reserve: () => {
        // A process that is there for everybody is not taken by anybody.
        if (share === undefined) place ??= places.take(tenant);
      },
      // Over stdio it is whoever started us; what the server says is theirs anyway.
      tellStderr: !isNetwork,
      initializeTimeoutMs: supervisorOf(spec).startTimeoutMs,
      requestTimeoutMs: spec.requestTimeoutMs ?? settings.requestTimeoutMs,
      maxRequestTimeMs: settings.maxRequestTimeMs,
      openUpstream: async (abandoned) => {
        if (share !== undefined) return await share.open();
        await place?.ready();
        if (conversation.isClosed) throw new RunError('CLIENT_GONE');
        return await supervisorOf(spec).open(abandoned);
      },
      log: logOf(spec),
    });
    conversations.add(conversation);
    void conversation.closed.then(() => {
      conversations.delete(conversation);
      place?.leave();
    });
    return conversation;
  }

  function logOf({ name }: ServerSpec): Log {
    return logs.get(name) ?? log;
  }

  function supervisorOf(spec: ServerSpec): Supervisor {
    const supervisor = supervisors.get(spec.name);
    if (supervisor === undefined)
      throw new RunError('INTERNAL', { detail: `no supervisor for ${spec.name}` });
    return supervisor;
  }

  function onlyServer(): ServerSpec {
    const [spec, ...others] = servers;
    if (spec === undefined || others.length > 0) {
      const available = servers.map(({ name }) => name).join(', ');
      throw new RunError('SERVER_AMBIGUOUS', { source, count: servers.length, available });
    }
    return spec;
  }

  async function shutDown(): Promise<void> {
    listener?.drain();
    const drained = Promise.all([...conversations].map((conversation) => conversation.idle()));
    await Promise.race([drained, delay(settings.drainTimeoutMs, undefined, { ref: false })]);
    const reason = new RunError('SHUTTING_DOWN');
    const stopped = [...supervisors.values()].map((supervisor) => supervisor.close());
    await Promise.all([...conversations].map((conversation) => conversation.close(reason)));
    await Promise.all(stopped);
    await Promise.all([...shares.values()].map((share) => share.close()));
    await listener?.close();
    resolveFinished(0);
  }

  function describe(): Listening {
    const { transports, httpPath, ssePath } = settings;
    if (listener === undefined) return { transports, servers: servers.map(({ name }) => ({ name })) };
    const { url } = listener;
    const served = servers.map(({ name }): Served => {
      const base = settings.baseUrl?.replace(/\/$/, '') ?? url;
      const root = servers.length === 1 ? base : `${base}/${encodeURIComponent(name)}`;
      return {
        name,
        ...(transports.includes('http') ? { http: `${root}${httpPath}` } : {}),
        ...(transports.includes('sse') ? { sse: `${root}${ssePath}` } : {}),
      };
    });
    return { url, transports, servers: served };
  }
}

/** The server's own exit code, if it has chosen one; else what the reason stands for. */
function exitCodeOf(reason: RunError): number {
  const { exitCode } = reason.fields;
  if (typeof exitCode === 'number') return exitCode;
  return reason.code === 'CLIENT_GONE' || reason.code === 'SHUTTING_DOWN' ? 0 : reason.exitCode;
}
