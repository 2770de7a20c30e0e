/** A pool in front of servers that the test plays; each answers `initialize`. */
import { onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { RunError } from '../../../src/errors.ts';
import type { RequestId } from '../../../src/protocol/frame.ts';
import {
  createProcessPool,
  type ProcessPoolOptions,
} from '../../../src/router/modern-to-legacy/process-pool.ts';
import type { ModernBackend } from '../../../src/router/modern-backend.ts';
import { createRecordingLog } from '../../observe/recording-log.ts';
import { createMemoryLink, type MemoryLink, type Sent } from '../../support/memory-link.ts';

const CAPABILITIES = {
  tools: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  logging: {},
  tasks: { requests: { tools: { call: {} } } },
};
export const SERVER_INFO = { name: 'server', version: '7' };

export interface Harness {
  readonly pool: ModernBackend;
  /** In the order in which they were started. */
  readonly children: MemoryLink[];
  /** The principal that each was started for. */
  readonly principals: string[];
  readonly child: (index?: number) => MemoryLink;
}

export function createHarness(overrides: Partial<ProcessPoolOptions> = {}): Harness {
  const children: MemoryLink[] = [];
  const principals: string[] = [];
  const pool = createProcessPool({
    server: 'files',
    version: '0',
    openChild: async (principalId) => {
      principals.push(principalId);
      const link = startServer();
      children.push(link);
      return link;
    },
    first: undefined,
    initializeTimeoutMs: 5_000,
    childIdleMs: 60_000,
    inputTtlMs: 60_000,
    maxSuspended: 256,
    attribution: 'concurrent',
    warm: 0,
    maxUnreadBytes: 1_000_000,
    clock: systemClock,
    log: createRecordingLog(),
    ...overrides,
  });
  onTestFinished(() => pool.close(new RunError('SHUTTING_DOWN')));
  return {
    pool,
    children,
    principals,
    child(index = 0) {
      const found = children[index];
      if (found === undefined) throw new Error(`no process ${index}`);
      return found;
    },
  };
}

export function startServer(): MemoryLink {
  const link = createMemoryLink('server', ({ message }: Sent) => {
    const { id, method } = message;
    if (id === undefined || id === null || method === undefined) return;
    if (method === 'initialize') {
      const result = { protocolVersion: '2025-11-25', capabilities: CAPABILITIES, serverInfo: SERVER_INFO };
      queueMicrotask(() => void link.deliver({ id, result }));
    }
    if (/^(?:logging|resources\/(?:un)?subscribe)/.test(method))
      queueMicrotask(() => void link.deliver({ id, result: {} }));
  });
  return link;
}

/** The messages of one method that the server has received. */
export function requestsTo(link: MemoryLink, method: string): Sent[] {
  return link.sent.filter(({ message }) => message.method === method);
}

/** The id under which the server knows the call that was made last. */
export function lastCallOf(link: MemoryLink, method = 'tools/call'): RequestId {
  const id = requestsTo(link, method).at(-1)?.message.id;
  if (id === undefined || id === null) throw new Error(`no ${method}`);
  return id;
}

/** After all promises that can settle have settled. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}
