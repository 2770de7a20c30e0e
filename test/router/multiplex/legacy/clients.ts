/** A shared child whose clients and server are the test. */
import { setImmediate as turn } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../../../src/clock.ts';
import {
  parseFrame,
  peekFrame,
  type JsonRpcMessage,
  type RequestId,
} from '../../../../src/protocol/frame.ts';
import type { Link } from '../../../../src/link/link.ts';
import { LegacyMultiplexer, type LegacyMultiplexerOptions } from '../../../../src/router/multiplex/legacy.ts';
import { createRecordingLog, type RecordingLog } from '../../../observe/recording-log.ts';
import { createMemoryLink, type MemoryLink } from '../../../support/memory-link.ts';

export interface ShareSetup {
  readonly share: LegacyMultiplexer;
  readonly log: RecordingLog;
  /** Every child so far, oldest first. */
  readonly children: readonly MemoryLink[];
  /** The newest child. */
  readonly child: MemoryLink;
  /** One more client, past its handshake unless told otherwise. */
  connect(options?: { readonly initialize?: boolean }): Promise<TestTenant>;
}

export interface TestTenant {
  readonly link: Link;
  /** What it was sent since it is connected. */
  readonly received: JsonRpcMessage[];
  /** The same, as text. */
  readonly lines: string[];
  readonly closedWith: readonly (Error | undefined)[];
  /** What its handler returns from now on. */
  holdWith(wait: Promise<void> | undefined): void;
  send(message: Omit<JsonRpcMessage, 'jsonrpc'> | string): Promise<void>;
}

export interface ChildBehaviour {
  /** Its answer to `initialize`; undefined: none. */
  readonly initialize?: (id: RequestId) => Omit<JsonRpcMessage, 'jsonrpc'> | undefined;
  /** Answers requests of our own (subscriptions, levels) with an empty result. */
  readonly answersOurs?: boolean;
}

type Overrides = Partial<LegacyMultiplexerOptions> & ChildBehaviour;

export const INITIALIZED = {
  protocolVersion: '2025-11-25',
  capabilities: { tools: {}, logging: {}, tasks: { list: {} } },
  serverInfo: { name: 'child', version: '9' },
  instructions: 'Share nicely.',
  _meta: { kept: true },
};

export function shareChild(overrides: Overrides = {}): ShareSetup {
  const children: MemoryLink[] = [];
  const log = createRecordingLog();
  const share = new LegacyMultiplexer({
    server: 'files',
    version: '1.2.3',
    initializeTimeoutMs: 5_000,
    maxUnreadBytes: 10_000,
    minLifeMs: 0,
    openUpstream: async () => createChild(),
    clock: systemClock,
    log,
    ...overrides,
  });
  onTestFinished(() => share.close());
  return {
    share,
    log,
    children,
    get child() {
      const child = children.at(-1);
      if (child === undefined) throw new Error('no child was started');
      return child;
    },
    connect,
  };

  function createChild(): MemoryLink {
    const { initialize = (id) => ({ id, result: INITIALIZED }), answersOurs = true } = overrides;
    const child = createMemoryLink('server', ({ message: { id, method } }) => {
      if (method === 'initialize') {
        const answer = initialize(id ?? '');
        if (answer !== undefined) queueMicrotask(() => void child.deliver(answer));
      } else if (answersOurs && typeof id === 'string' && method !== undefined) {
        queueMicrotask(() => void child.deliver({ id, result: {} }));
      }
    });
    children.push(child);
    return child;
  }

  async function connect({ initialize = true } = {}): Promise<TestTenant> {
    const link = share.open();
    const received: JsonRpcMessage[] = [];
    const lines: string[] = [];
    const closedWith: (Error | undefined)[] = [];
    let wait: Promise<void> | undefined;
    link.onframe((frame) => {
      lines.push(Buffer.from(frame.bytes).toString());
      received.push(parseFrame(frame.bytes).message);
      return wait;
    });
    link.onclose((error) => void closedWith.push(error));
    const port: TestTenant = {
      link,
      received,
      lines,
      closedWith,
      holdWith: (next) => void (wait = next),
      send: async (message) => {
        const text = typeof message === 'string' ? message : JSON.stringify({ jsonrpc: '2.0', ...message });
        await link.send(parseFrame(Buffer.from(text)));
      },
    };
    if (initialize) {
      await port.send(initializeRequest('init'));
      await port.send({ method: 'notifications/initialized' });
      received.length = 0;
      lines.length = 0;
    }
    return port;
  }
}

/** With a child that runs. */
export async function warmed(overrides: Overrides = {}): Promise<ShareSetup> {
  const setup = shareChild(overrides);
  setup.share.keep();
  await settle();
  return setup;
}

export function initializeRequest(
  id: RequestId,
  protocolVersion = '2025-11-25',
): Omit<JsonRpcMessage, 'jsonrpc'> {
  const clientInfo = { name: 'client', version: '1' };
  return {
    id,
    method: 'initialize',
    params: { protocolVersion, capabilities: { sampling: {} }, clientInfo },
  };
}

export function toolCall(id: RequestId, progressToken?: RequestId): Omit<JsonRpcMessage, 'jsonrpc'> {
  const _meta = progressToken === undefined ? {} : { _meta: { progressToken } };
  return { id, method: 'tools/call', params: { name: 'x', ..._meta } };
}

/** The requests that the child got from clients: ours have strings for ids. */
export function callsOf(child: MemoryLink): { readonly id: number; readonly message: JsonRpcMessage }[] {
  return child.sent.flatMap(({ message }) =>
    typeof message.id === 'number' && message.method !== undefined ? [{ id: message.id, message }] : [],
  );
}

/** What the child was told by this method, its ids left out. */
export function paramsOf(child: MemoryLink, method: string): unknown[] {
  return child.sent.filter(({ message }) => message.method === method).map(({ message }) => message.params);
}

/** A line of the child, byte for byte as stdio would hand it over. */
export function say(child: MemoryLink, line: string): void {
  void child.deliver(peekFrame(Buffer.from(line)));
}

/** Lets what is under way come to rest. */
export async function settle(): Promise<void> {
  await turn();
  await turn();
}
