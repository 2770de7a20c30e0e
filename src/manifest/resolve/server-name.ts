import { basename, dirname } from 'node:path';

/** Programs that only start another one, which the name should come from. */
const LAUNCHERS = new Set([
  'npx',
  'bunx',
  'pnpx',
  'npm',
  'pnpm',
  'yarn',
  'bun',
  'node',
  'tsx',
  'deno',
  'uvx',
  'uv',
  'pipx',
  'python',
  'python3',
  'py',
  'docker',
  'podman',
]);
const SUBCOMMANDS = new Set(['run', 'exec', 'dlx', 'x', 'tool', 'start']);
/** Flags that take the next argument. */
const VALUE_FLAGS = new Set([
  '-p',
  '--package',
  '-c',
  '--call',
  '-e',
  '--eval',
  '-r',
  '--require',
  '--import',
  '--env',
  '--env-file',
  '-v',
  '--volume',
  '--mount',
  '--name',
  '--network',
  '-w',
  '--workdir',
  '-u',
  '--user',
  '--from',
  '--with',
  '--python',
  '--directory',
  '--project',
  '--config',
  '--entrypoint',
  '--prefix',
]);
/** File and folder names that say nothing about the server in them. */
const GENERIC = new Set([
  'index',
  'main',
  'server',
  'cli',
  'app',
  'dist',
  'build',
  'src',
  'lib',
  'bin',
  'out',
]);

/** A short, URL-safe name: `npx -y @modelcontextprotocol/server-filesystem .` → `filesystem`. */
export function deriveName(command: string, args: readonly string[]): string {
  const program = stem(command);
  const subject = LAUNCHERS.has(program.toLowerCase()) ? (subjectOf(args) ?? command) : command;
  return urlSafe(withoutAffixes(telling(subject))) || 'server';
}

/** The host: `https://mcp.example.com/mcp` → `mcp.example.com`. */
export function deriveNameFromUrl(url: string): string {
  return urlSafe(new URL(url).hostname) || 'server';
}

function subjectOf(args: readonly string[]): string | undefined {
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? '';
    if (VALUE_FLAGS.has(arg)) index += 1;
    else if (!arg.startsWith('-') && !SUBCOMMANDS.has(arg)) return arg;
  }
  return undefined;
}

/** The last part of a path or package that says something. */
function telling(subject: string): string {
  for (let path = subject.replace(/[\\/]+$/, ''); path !== '' && path !== '.'; path = dirname(path)) {
    const name = stem(path);
    if (!GENERIC.has(name.toLowerCase()) && name !== '..' && name !== '') return name;
    if (dirname(path) === path) break;
  }
  return stem(subject);
}

/** Without folder, version or tag, and extension. */
function stem(path: string): string {
  const last = basename(path.replaceAll('\\', '/'));
  return last.replace(/(?!^)[@:=].*$/, '').replace(/\.(exe|cmd|bat|ps1|[cm]?[jt]s|py|sh)$/i, '');
}

function withoutAffixes(name: string): string {
  const short = name
    .replace(/^(mcp[-_]?server|server|mcp)[-_]/i, '')
    .replace(/[-_](mcp[-_]?server|server|mcp)$/i, '');
  return short.replace(/[-_]mcp$/i, '') || name;
}

function urlSafe(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9._~-]+/g, '-').replaceAll(/^[-.]+|[-.]+$/g, '');
}

/** Why a server cannot have this name, which becomes a part of URLs; undefined if it can. */
export function faultOfName(name: string): string | undefined {
  if (name.trim() === '') return 'the name of a server is empty';
  if (/[\p{Cc}\p{Cs}]/u.test(name)) return 'the name of a server must not hold control characters';
  // Clients and proxies resolve such segments, also when they are encoded.
  const climbs = name.split(/[\\/]/).some((segment) => segment === '.' || segment === '..');
  return climbs ? `"${name}" cannot be part of a URL; choose another name` : undefined;
}

/** A URL that would lead to two places, and the name that has it second. */
export interface Collision {
  readonly name: string;
  readonly detail: string;
}

/**
 * Looks for names whose URLs cannot be told apart.
 * @param paths of the endpoints below each name; those of a single server are served without it as well
 */
export function findCollision(names: readonly string[], paths: readonly string[]): Collision | undefined {
  const seen = new Map<string, string>();
  if (names.length === 1) for (const path of paths) seen.set(spellingOf(path), '');
  for (const name of names) {
    for (const path of paths) {
      const url = `/${name}${path}`;
      const first = seen.get(spellingOf(url));
      seen.set(spellingOf(url), name);
      if (first === undefined) continue;
      const both = first === '' ? `"${name}"` : `"${first}" and "${name}"`;
      return { name, detail: `the path ${url} would lead to two endpoints of ${both}; choose another name` };
    }
  }
  return undefined;
}

/** Proxies merge slashes, and editors compose characters in different ways. */
function spellingOf(url: string): string {
  return url.replaceAll(/\/+/g, '/').normalize();
}
