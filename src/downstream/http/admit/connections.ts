import { closeSync, openSync } from 'node:fs';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { devNull } from 'node:os';
import type { Log } from '../../../observe/log.ts';

/** Bounds the connections of all addresses that a listener has, and logs what becomes of the surplus. */
export interface Connections {
  /** Counts the connections of one more address. */
  watch(server: Server): void;
  /** Called about once a second. */
  tick(now: number): void;
}

/** How often a descriptor is asked for. */
const PROBE_MS = 1_000;
/** Silence between two lines about the same. */
const QUIET_MS = 10_000;
const OUT_OF_DESCRIPTORS: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE']);

export function createConnections(max: number, log: Log): Connections {
  /** Server → its open connections. */
  const open = new Map<Server, number>();
  let probedAt = 0;
  const dropped = createTally((count) =>
    log.warn(
      { event: 'http.connections-dropped', count, max },
      `dropped ${count === 1 ? 'a connection' : `${count} connections`}: ${max} are open (--max-connections)`,
    ),
  );
  const exhausted = createTally(() =>
    log.error(
      { event: 'http.no-descriptors' },
      'no file descriptor is left: connections are closed, and no server can be started. Raise the limit of open files (ulimit -n), or lower --max-connections',
    ),
  );

  return {
    watch(server) {
      open.set(server, 0);
      setLimits();
      server.on('connection', (socket: Socket) => {
        count(server, 1);
        socket.once('close', () => count(server, -1));
      });
      server.on('drop', () => dropped.add());
      server.on('error', (error: NodeJS.ErrnoException) => acceptFailed(server, error));
    },
    tick(now) {
      // What the system has no descriptor for is closed before Node hears of it.
      if (now - probedAt >= PROBE_MS) {
        probedAt = now;
        if (isOutOfDescriptors()) exhausted.add();
      }
      dropped.tick(now);
      exhausted.tick(now);
    },
  };

  function count(server: Server, change: 1 | -1): void {
    open.set(server, (open.get(server) ?? 0) + change);
    if (open.size > 1) setLimits();
  }

  /** Each address may have what the others leave. */
  function setLimits(): void {
    const all = [...open.values()].reduce((sum, each) => sum + each, 0);
    // Zero would mean no limit to some versions of Node.
    for (const [server, own] of open) server.maxConnections = max - all + own || -1;
  }

  /** Before a server listens, its errors are those of the start. */
  function acceptFailed(server: Server, error: NodeJS.ErrnoException): void {
    if (!server.listening) return;
    if (OUT_OF_DESCRIPTORS.has(error.code)) exhausted.add();
    else log.error({ event: 'http.accept-failed', code: error.code }, error.message);
  }
}

function isOutOfDescriptors(): boolean {
  try {
    closeSync(openSync(devNull, 'r'));
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && OUT_OF_DESCRIPTORS.has(error.code);
  }
}

/** Tells of the first event at once, and of those that follow in one line now and then. */
function createTally(tell: (count: number) => void): { add(): void; tick(now: number): void } {
  let count = 0;
  let toldAt = -Infinity;
  return {
    add() {
      count += 1;
      tick(Date.now());
    },
    tick,
  };

  function tick(now: number): void {
    if (count === 0 || now - toldAt < QUIET_MS) return;
    tell(count);
    toldAt = now;
    count = 0;
  }
}
