import { RunError, timeoutError, toRunError } from '../../errors.ts';
import type { Clock } from '../../clock.ts';
import { ownInitializeParams } from '../../era/own-client.ts';
import type { Link } from '../../link/link.ts';
import { Requester } from '../../link/requester.ts';
import { OWN_ID } from '../../protocol/constants.ts';
import { frameOf } from '../../protocol/frame.ts';

export interface RecoveryProbeOptions {
  readonly server: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly cancelled: AbortSignal;
}

const INITIALIZE = frameOf({
  id: `${OWN_ID}trial`,
  method: 'initialize',
  params: ownInitializeParams('0'),
});
const INITIALIZED = frameOf({ method: 'notifications/initialized' });
const PING = frameOf({ id: `${OWN_ID}ping`, method: 'ping' });

/**
 * Finds out whether a server starts: initializes it, sends it a ping, and ends it. The outcome is for the observer of the
 * link's health.
 */
export async function probeRecovery(
  link: Link,
  { server, timeoutMs, clock, cancelled }: RecoveryProbeOptions,
): Promise<void> {
  const requester = new Requester({ link, idOf: String, clock });
  const giveUp = new AbortController();
  const { signal } = giveUp;
  const stopTimer = clock.after(timeoutMs, () =>
    giveUp.abort(timeoutError({ server, method: 'initialize', timeoutMs })),
  );
  const stop = (): void => giveUp.abort(new RunError('SHUTTING_DOWN'));
  cancelled.addEventListener('abort', stop);
  let reason: RunError | undefined;
  try {
    link.onclose(() => requester.close(new RunError('UPSTREAM_CLOSED', { server })));
    link.onframe((frame) => requester.receive(frame));
    await requester.request(INITIALIZE, { signal });
    void link.send(INITIALIZED);
    await requester.request(PING, { signal });
  } catch (error) {
    // A link that has closed has told its observer why.
    if (signal.aborted) reason = toRunError(error);
  } finally {
    stopTimer();
    cancelled.removeEventListener('abort', stop);
  }
  await link.close(reason);
}
