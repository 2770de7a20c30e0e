import type { Log } from '../../observe/log.ts';
import type { Stored } from './stored.ts';
import type { TokenStore } from './token-store.ts';

/**
 * The same store, which keeps in memory what it cannot write: in a container there may be no place to write to, and a
 * token for this process is better than none.
 */
export function keepInMemory(store: TokenStore, log: Log): TokenStore {
  let memory: Stored | undefined;
  let hasWarned = false;
  /** The holder of the lock and those that wait for it, while there is no lock that other processes would see. */
  let queue: Promise<void> = Promise.resolve();

  return {
    read: async () => memory ?? (await store.read()),
    async write(stored) {
      memory = stored;
      try {
        await store.write(stored);
        memory = undefined;
      } catch (error) {
        warn(error);
      }
    },
    async remove() {
      memory = undefined;
      await store.remove();
    },
    async lock(options) {
      try {
        return await store.lock(options);
      } catch (error) {
        options.signal.throwIfAborted();
        warn(error);
        return await lockHere();
      }
    },
  };

  async function lockHere(): Promise<() => Promise<void>> {
    const before = queue;
    let release: () => void = () => {};
    queue = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    return () => Promise.resolve(release());
  }

  function warn(error: unknown): void {
    if (hasWarned) return;
    hasWarned = true;
    const detail = error instanceof Error ? error.message : String(error);
    log.warn(
      { event: 'oauth.store-unwritable', detail },
      `Tokens are kept for this process only, since they cannot be stored: ${detail}`,
    );
  }
}
