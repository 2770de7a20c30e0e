import { RunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';
import type { ClientPort } from './client-port.ts';

/**
 * Keeps what the clients of a server leave unread within bounds: its processes wait for no client, so it stays here, and the
 * client that leaves the most of it is disconnected first.
 */
export class SendBufferLimit {
  /** Clients that have not taken all that they were sent. */
  readonly #slow = new Set<ClientPort>();
  readonly #maxBytes: number;
  readonly #log: Log;
  #unread = 0;

  constructor(maxBytes: number, log: Log) {
    this.#maxBytes = maxBytes;
    this.#log = log;
  }

  /** To be called after each change of what a client leaves unread. @param bytes the change */
  count(port: ClientPort, bytes: number): void {
    this.#unread += bytes;
    if (port.unread === 0) this.#slow.delete(port);
    else this.#slow.add(port);
    if (bytes > 0) this.#enforce();
  }

  #enforce(): void {
    const maxBytes = this.#maxBytes;
    while (this.#unread > maxBytes) {
      const slowest = [...this.#slow].reduce((most, port) => (port.unread > most.unread ? port : most));
      this.#log.warn(
        { event: 'client.too-slow', bytes: slowest.unread },
        'a client does not read: it is cut off',
      );
      slowest.end(new RunError('CLIENT_TOO_SLOW', { maxBytes }));
    }
  }
}
