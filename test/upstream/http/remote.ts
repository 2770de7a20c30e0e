/** A link to a remote server, and a server that answers as MCP servers do unless its script says otherwise. */
import { onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { RunError } from '../../../src/errors.ts';
import { forParent } from '../../../src/protocol/fault.ts';
import { frameOf, type Frame, type JsonRpcMessage, type RequestId } from '../../../src/protocol/frame.ts';
import type { Link } from '../../../src/link/link.ts';
import { createDispatcher } from '../../../src/upstream/http/dispatcher.ts';
import type { RemoteTarget } from '../../../src/config/types.ts';
import { Upstreams } from '../../../src/upstream/upstream.ts';
import { createRecordingLog, type RecordingLog } from '../../observe/recording-log.ts';
import { CLIENT_INFO } from '../../support/clients.ts';
import { nameOf, openScriptedServer, type Call, type ScriptedServer } from './scripted-server.ts';

/** Otherwise it relieves Node's own client once there have been many requests: more than in a test. */
export const USES_UNDICI = process.env['MCP_RUN_TEST_UNDICI'] === 'yes';

export interface Received {
  readonly frame: Frame;
  readonly message: JsonRpcMessage;
  readonly relatedRequestId: RequestId | undefined;
}

export interface Remote {
  readonly link: Link;
  readonly received: readonly Received[];
  readonly log: RecordingLog;
  /** What was said about whether the server can be reached, oldest first. */
  readonly reaches: readonly (RunError | undefined)[];
  readonly closed: Promise<Error | undefined>;
  send(message: Omit<JsonRpcMessage, 'jsonrpc'>): void;
  notify(method: string, params?: Record<string, unknown>): void;
  /** Sends a request and resolves with its answer, whole. */
  request(method: string, params?: Record<string, unknown>, id?: RequestId): Promise<JsonRpcMessage>;
  /** `initialize`, and what ends it. @returns the answer */
  initialize(): Promise<JsonRpcMessage>;
  waitFor(matches: (received: Received) => boolean): Promise<Received>;
  answersTo(id: RequestId): JsonRpcMessage[];
}

export interface RemoteOptions extends Partial<RemoteTarget> {
  readonly lineLimitBytes?: number;
  readonly initializeTimeoutMs?: number;
  readonly makeRoom?: () => Promise<boolean>;
  /** A promise holds back what follows. */
  readonly onreceived?: (received: Received) => void | Promise<void>;
}

export const INITIALIZE = {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: CLIENT_INFO,
};
const upstreams = new Upstreams(systemClock);

export const SESSION = 'mcp-session-id';

export function targetFor(url: string, more: Partial<RemoteTarget> = {}): RemoteTarget {
  return {
    kind: 'remote',
    url,
    transport: 'http',
    headers: {},
    tls: { caFile: undefined, certFile: undefined, keyFile: undefined },
    oauth: undefined,
    patienceMs: 0,
    ...more,
  };
}

/** Opens a link that closes when the test is over. */
export async function openRemote(
  url: string,
  {
    lineLimitBytes = 1_000_000,
    initializeTimeoutMs = 60_000,
    makeRoom,
    onreceived,
    ...more
  }: RemoteOptions = {},
): Promise<Remote> {
  return await openTarget(targetFor(url, more), {
    lineLimitBytes,
    initializeTimeoutMs,
    ...(makeRoom !== undefined && { makeRoom }),
    ...(onreceived !== undefined && { onreceived }),
  });
}

export async function openTarget(
  target: RemoteTarget,
  {
    lineLimitBytes = 1_000_000,
    initializeTimeoutMs = 60_000,
    makeRoom,
    onreceived,
  }: Pick<RemoteOptions, 'lineLimitBytes' | 'initializeTimeoutMs' | 'makeRoom' | 'onreceived'> = {},
): Promise<Remote> {
  const log = createRecordingLog();
  const received: Received[] = [];
  const reaches: (RunError | undefined)[] = [];
  const watchers = new Set<(one: Received) => void>();
  let nextId = 1;
  const link = await upstreams.open(target, {
    server: 'far',
    lineLimitBytes,
    initializeTimeoutMs,
    stdout: 'skip',
    log,
    onReachabilityChange: (failure) => void reaches.push(failure),
    ...(makeRoom !== undefined && { makeRoom }),
    ...(USES_UNDICI && { openDispatcher: (_url, more) => createDispatcher(more) }),
  });
  onTestFinished(() => link.close());
  const closed = new Promise<Error | undefined>((resolve) => link.onclose(resolve));
  link.onframe((frame, relatedRequestId) => {
    // All of it: what clients on the network are told is tested where they are.
    const one = { frame, message: forParent(frame).message, relatedRequestId };
    received.push(one);
    for (const watch of watchers) watch(one);
    return onreceived?.(one);
  });
  const remote: Remote = {
    link,
    received,
    log,
    reaches,
    closed,
    send: (message) => void link.send(frameOf(message)),
    notify: (method, params = {}) => remote.send({ method, params }),
    async request(method, params = {}, id = nextId++) {
      const answered = remote.waitFor(({ frame }) => frame.kind === 'response' && frame.id === id);
      remote.send({ id, method, params });
      return (await answered).message;
    },
    async initialize() {
      const answer = await remote.request('initialize', INITIALIZE, 0);
      remote.notify('notifications/initialized');
      return answer;
    },
    waitFor(matches) {
      const known = received.find(matches);
      if (known !== undefined) return Promise.resolve(known);
      return new Promise((resolve) => {
        const watch = (one: Received): void => {
          if (!matches(one)) return;
          watchers.delete(watch);
          resolve(one);
        };
        watchers.add(watch);
      });
    },
    answersTo: (id) =>
      received
        .filter(({ frame }) => frame.kind === 'response' && frame.id === id)
        .map(({ message }) => message),
  };
  return remote;
}

/** What a server does by the name of the call (`nameOf`). */
export type Script = Readonly<Record<string, (call: Call) => void>>;

/** A server of 2025-11-25 that answers every request at once; a script says what it does otherwise. */
export function openServer(script: Script = {}): Promise<ScriptedServer> {
  let sessions = 0;
  const usual: Script = {
    initialize: (call) => {
      sessions += 1;
      call.result(initializeResult(), { [SESSION]: `session-${sessions}` });
    },
    GET: (call) => call.status(405),
    DELETE: (call) => call.status(200),
    answer: (call) => call.status(202),
  };
  return openScriptedServer((call) => {
    const name = nameOf(call);
    const act = script[name] ?? usual[name];
    if (act !== undefined) return act(call);
    return 'id' in call.message ? call.result({ done: name }) : call.status(202);
  });
}

export function initializeResult(more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    protocolVersion: '2025-11-25',
    capabilities: { tools: {} },
    serverInfo: { name: 'scripted', version: '1' },
    ...more,
  };
}
