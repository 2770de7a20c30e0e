import { RunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';
import type { Tenant } from './tenant.ts';

/**
 * Keeps what the clients of one process leave unread within bounds: the process waits for nobody, so it stays here, and
 * whoever leaves the most of it goes first.
 * @returns to be called with the change, in bytes
 */
export function createUnreadLimit(
  maxBytes: number,
  tenants: ReadonlySet<Tenant>,
  log: Log,
): (bytes: number) => void {
  let unread = 0;
  return (bytes) => {
    unread += bytes;
    if (bytes <= 0) return;
    while (unread > maxBytes) {
      const slowest = [...tenants].reduce((most, tenant) => (tenant.unread > most.unread ? tenant : most));
      log.warn({ event: 'client.too-slow', bytes: slowest.unread }, 'a client does not read: it is cut off');
      slowest.end(new RunError('CLIENT_TOO_SLOW', { maxBytes }));
    }
  };
}
