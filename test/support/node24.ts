import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { json } from './json.ts';

export interface Node24 {
  /** The Node 24 binary. */
  readonly node: string;
  /** Scripts for it. */
  readonly conformance: string;
  readonly inspector: string;
}

/** Node 24 with the tools that need it: from `.cache/`, where the first call installs them (about 20 s). */
export function installNode24(): Node24 {
  const script = fileURLToPath(new URL('./node24-install.js', import.meta.url));
  const paths = json(
    JSON.parse(
      execFileSync(process.execPath, [script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }),
    ),
  );
  const path = (name: string): string => String(paths[name]);
  return { node: path('node'), conformance: path('conformance'), inspector: path('inspector') };
}
