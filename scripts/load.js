// @ts-check
/** Loads the machine: two busy loops for each core, as processes that end with this one, or by themselves. */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** A loop ends after this time, or when its stdin ends because its parent has ended. */
const LONGEST_MS = 3 * 60 * 60_000;
const LOOP = `
  const until = Date.now() + ${LONGEST_MS};
  process.stdin.resume().on('end', () => process.exit());
  const turn = () => {
    for (const pause = Date.now() + 50; Date.now() < pause; );
    if (Date.now() < until) setImmediate(turn);
    else process.exit();
  };
  turn();
`;

/** @returns {() => void} ends the load */
export function startLoad() {
  const loops = Array.from({ length: 2 * availableParallelism() }, () =>
    spawn(process.execPath, ['-e', LOOP], { stdio: ['pipe', 'ignore', 'inherit'] }),
  );
  return () => loops.forEach((loop) => loop.kill('SIGKILL'));
}
