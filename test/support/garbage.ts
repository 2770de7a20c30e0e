/** The garbage collector of the process that runs the tests. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect: unknown = runInNewContext('gc');

export function collectGarbage(options?: { readonly type: 'minor' }): void {
  if (typeof collect !== 'function') throw new Error('V8 does not let its garbage be collected');
  // With an argument, whichever it is, newer versions of V8 collect less.
  if (options === undefined) collect();
  else collect(options);
}

/** MB that are alive. */
export function aliveMb(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / (1024 * 1024);
}
