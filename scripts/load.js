// @ts-check
/** Keeps the machine busy: two endless loops for each core, as processes that end with us, and by themselves in the end. */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** A loop ends after this time, or when its stdin ends because its parent is gone. */
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

/** @returns {() => void} what ends it */
export function startLoad() {
  const loops = Array.from({ length: 2 * availableParallelism() }, () =>
    spawn(process.execPath, ['-e', LOOP], { stdio: ['pipe', 'ignore', 'inherit'] }),
  );
  return () => loops.forEach((loop) => loop.kill('SIGKILL'));
}
