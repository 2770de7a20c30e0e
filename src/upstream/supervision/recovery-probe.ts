import { RunError, timeoutError } from '../../errors.ts';
import { LEGACY_REVISIONS } from '../../protocol/constants.ts';
import { frameOf, type Frame } from '../../protocol/frame.ts';
import type { Link } from '../../link/link.ts';
import type { Clock } from '../clock.ts';

export interface RecoveryProbeOptions {
  readonly server: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly cancelled: AbortSignal;
}

/**
 * Sees whether a server starts: initializes it, has it answer once more, and ends it. How that went is for whoever
 * observes the link.
 */
export async function probeRecovery(
  link: Link,
  { server, timeoutMs, clock, cancelled }: RecoveryProbeOptions,
): Promise<void> {
  const outcome = await new Promise<RunError | undefined>((resolve) => {
    const cancel = clock.after(timeoutMs, () =>
      settle(timeoutError({ server, method: 'initialize', timeoutMs })),
    );
    const stop = (): void => settle(new RunError('SHUTTING_DOWN'));
    cancelled.addEventListener('abort', stop);
    link.onclose(() => settle(undefined));
    link.onframe(answer);
    void link.send(INITIALIZE);

    function answer(frame: Frame): void {
      if (frame.kind !== 'response') return;
      if (frame.id === PING.id) return settle(undefined);
      void link.send(INITIALIZED);
      void link.send(PING);
    }

    function settle(error: RunError | undefined): void {
      cancel();
      cancelled.removeEventListener('abort', stop);
      resolve(error);
    }
  });
  await link.close(outcome);
}

/** With no capabilities a server has no reason to ask anything. */
const INITIALIZE = frameOf({
  id: 'mcpr:trial',
  method: 'initialize',
  params: {
    protocolVersion: LEGACY_REVISIONS[0],
    capabilities: {},
    clientInfo: { name: 'mcp-run', version: '0' },
  },
});
const INITIALIZED = frameOf({ method: 'notifications/initialized' });
const PING = frameOf({ id: 'mcpr:ping', method: 'ping' });
