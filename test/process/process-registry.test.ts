import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { startChild, type Child } from '../../src/process/child.ts';
import { ProcessRegistry } from '../../src/process/process-registry.ts';

function start(registry: ProcessRegistry): Promise<Child> {
  const args = ['-e', 'process.stdin.resume()'];
  const options = { server: 'files', command: process.execPath, args, cwd: undefined, env: {} };
  return startChild(options, registry);
}

describe('a process registry', () => {
  it('has an exit hook from the start of the first process to the end of the last one', async () => {
    const before = process.listenerCount('exit');
    const registry = new ProcessRegistry(systemClock);
    expect(process.listenerCount('exit')).toBe(before);
    const [first, second] = await Promise.all([start(registry), start(registry)]);
    expect(process.listenerCount('exit')).toBe(before + 1);
    await first.stop();
    expect(process.listenerCount('exit')).toBe(before + 1);
    await second.stop();
    expect(process.listenerCount('exit')).toBe(before);
  });

  it('starts processes again after it was closed', async () => {
    const registry = new ProcessRegistry(systemClock);
    registry.close();
    const child = await start(registry);
    expect(await child.stop()).toMatchObject({ code: 0, stopped: true });
    registry.close();
  });
});
