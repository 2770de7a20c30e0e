import type { FastifyInstance } from 'fastify';
import type { Clock } from '../clock.ts';
import type { Gateway } from '../gateway/gateway.ts';

/** Of the time that Fastify gives a hook. */
const SHARE = 0.8;

/**
 * Closes the gateway together with an application. Running calls finish before the server stops to listen, since clients
 * answer questions of servers over new connections. Fastify fails a `preClose` hook that takes longer than `pluginTimeout`:
 * `onClose`, which has no limit, waits for what is left then.
 */
export function closeWith(app: FastifyInstance, gateway: Pick<Gateway, 'close'>, clock: Clock): void {
  const { pluginTimeout = 0 } = app.initialConfig;
  app.addHook('preClose', async () => {
    const closed = gateway.close();
    await (pluginTimeout === 0 ? closed : within(clock, pluginTimeout * SHARE, closed));
  });
  app.addHook('onClose', () => gateway.close());
}

/** Resolves with the promise, or after `ms`. */
async function within(clock: Clock, ms: number, promise: Promise<void>): Promise<void> {
  let cancel: () => void = () => {};
  const late = new Promise<void>((resolve) => (cancel = clock.after(ms, resolve)));
  await Promise.race([promise, late]);
  cancel();
}
