/** Where commands are tried: next to the installed package, or in a fresh clone. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { pack } from '../../../scripts/pack.js';
import { npm } from '../../../scripts/run.js';

export const root = fileURLToPath(new URL('../../..', import.meta.url));

export interface Installed {
  /** An empty project in which the packed tarball is installed. */
  readonly folder: string;
  readonly tarball: string;
}

/** Packs `dist/` as it is and installs that into an empty folder, together with `others`. */
export async function installPacked(others: readonly string[] = []): Promise<Installed> {
  const folder = temporaryFolder('installed');
  const tarball = await pack(temporaryFolder('pack'));
  writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
  await npm(['install', '--no-audit', '--no-fund', '--prefer-offline', tarball, ...others], {
    cwd: folder,
    env: cleanEnvironment(),
  });
  return { folder, tarball };
}

/** What git would clone if everything here were committed: no `node_modules`, no `dist`. */
export function cloneFresh(): string {
  const folder = temporaryFolder('clone');
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
  });
  for (const file of listed.toString('utf8').split('\0').filter(Boolean)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    copyFileSync(join(root, file), join(folder, file));
  }
  return folder;
}

/** Our environment without what npm and vitest put there for this very run. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const ours = /^(npm_|VITEST|TEST$|NODE_ENV$|INIT_CWD$|MCP_RUN_)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
}

/** `name@range` of the development dependencies that match, as they are in package.json. */
export function developmentDependencies(pattern: RegExp): string[] {
  const { devDependencies }: { devDependencies: Record<string, string> } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  return Object.entries(devDependencies)
    .filter(([name]) => pattern.test(name))
    .map(([name, range]) => `${name}@${range}`);
}

/** A port nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Below the system's own; `realpath`, because macOS names its temporary folder by a link. */
function temporaryFolder(purpose: string): string {
  return realpathSync(mkdtempSync(join(tmpdir(), `mcp-run-${purpose}-`)));
}
