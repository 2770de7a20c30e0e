import { closeSync, openSync } from 'node:fs';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { devNull } from 'node:os';
import type { Clock } from '../../../clock.ts';
import type { Log } from '../../../observe/log.ts';

/** How often a descriptor is asked for. */
const PROBE_MS = 1_000;
/** Silence between two lines about the same. */
const QUIET_MS = 10_000;
const OUT_OF_DESCRIPTORS: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE']);

/** Reports the first event at once, and those that follow in one line now and then. */
class Tally {
  readonly #report: (count: number) => void;
  #count = 0;
  #reportedAt = -Infinity;

  constructor(report: (count: number) => void) {
    this.#report = report;
  }

  add(now: number): void {
    this.#count += 1;
    this.tick(now);
  }

  tick(now: number): void {
    if (this.#count === 0 || now - this.#reportedAt < QUIET_MS) return;
    this.#report(this.#count);
    this.#reportedAt = now;
    this.#count = 0;
  }
}

/** Bounds the connections of all addresses that a listener has, and logs those that were dropped. */
export class Connections {
  readonly #max: number;
  readonly #log: Log;
  readonly #clock: Clock;
  /** Server → its open connections. */
  readonly #open = new Map<Server, number>();
  readonly #dropped: Tally;
  readonly #exhausted: Tally;
  #probedAt = -Infinity;

  constructor(max: number, log: Log, clock: Clock) {
    this.#max = max;
    this.#log = log;
    this.#clock = clock;
    this.#dropped = new Tally((count) =>
      log.warn(
        { event: 'http.connections-dropped', count, max },
        `dropped ${count === 1 ? 'a connection' : `${count} connections`}: ${max} are open (--max-connections)`,
      ),
    );
    this.#exhausted = new Tally(() =>
      log.error(
        { event: 'http.no-descriptors' },
        'no file descriptor is left: connections are closed, and no server can be started. Raise the limit of open files (ulimit -n), or lower --max-connections',
      ),
    );
  }

  /** Counts the connections of one more address. */
  watch(server: Server): void {
    this.#open.set(server, 0);
    this.#setLimits();
    server.on('connection', (socket: Socket) => {
      this.#count(server, 1);
      socket.once('close', () => this.#count(server, -1));
    });
    server.on('drop', () => this.#dropped.add(this.#clock.now()));
    server.on('error', (error: NodeJS.ErrnoException) => this.#acceptFailed(server, error));
  }

  /** Called about once a second. */
  tick(now: number): void {
    // The system closes connections that it has no descriptor for before Node hears of them.
    if (now - this.#probedAt >= PROBE_MS) {
      this.#probedAt = now;
      if (isOutOfDescriptors()) this.#exhausted.add(now);
    }
    this.#dropped.tick(now);
    this.#exhausted.tick(now);
  }

  #count(server: Server, change: 1 | -1): void {
    this.#open.set(server, (this.#open.get(server) ?? 0) + change);
    if (this.#open.size > 1) this.#setLimits();
  }

  /** Each address may have what the others leave. */
  #setLimits(): void {
    const all = [...this.#open.values()].reduce((sum, each) => sum + each, 0);
    // Zero would mean no limit to some versions of Node.
    for (const [server, own] of this.#open) server.maxConnections = this.#max - all + own || -1;
  }

  /** Before a server listens, its errors are those of the start. */
  #acceptFailed(server: Server, error: NodeJS.ErrnoException): void {
    if (!server.listening) return;
    if (OUT_OF_DESCRIPTORS.has(error.code)) this.#exhausted.add(this.#clock.now());
    else this.#log.error({ event: 'http.accept-failed', code: error.code }, error.message);
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
