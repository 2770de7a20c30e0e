import { RunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';
import type { ClientPort } from './client-port.ts';

/**
 * Keeps what the clients of a server leave unread within bounds: its processes wait for no client, so it stays here, and the
 * client that leaves the most of it goes first.
 */
export class SendBufferLimit {
  readonly #readers = new Set<ClientPort>();
  readonly #maxBytes: number;
  readonly #log: Log;
  #unread = 0;

  constructor(maxBytes: number, log: Log) {
    this.#maxBytes = maxBytes;
    this.#log = log;
  }

  add(reader: ClientPort): void {
    this.#readers.add(reader);
  }

  delete(reader: ClientPort): void {
    this.#readers.delete(reader);
  }

  /** To be called with each change, in bytes. */
  count(bytes: number): void {
    this.#unread += bytes;
    if (bytes <= 0) return;
    const maxBytes = this.#maxBytes;
    while (this.#unread > maxBytes) {
      const slowest = [...this.#readers].reduce((most, port) => (port.unread > most.unread ? port : most));
      this.#log.warn(
        { event: 'client.too-slow', bytes: slowest.unread },
        'a client does not read: it is cut off',
      );
      slowest.end(new RunError('CLIENT_TOO_SLOW', { maxBytes }));
    }
  }
}
