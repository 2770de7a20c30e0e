/** What to do about a server that does not start, guessed from what is known about it. Pure. */

export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
}

/** Programs that may fetch the server before they start it. */
const RUNNERS: ReadonlySet<string> = new Set([
  'npx',
  'uvx',
  'bunx',
  'pnpx',
  'pipx',
  'docker',
  'podman',
  'nerdctl',
]);
/** Of those that are often missing: where they come from. */
const SOURCES = new Map([
  ['npx', 'npx comes with Node.js (https://nodejs.org); if that is installed, give the full path of npx'],
  ['node', 'Install Node.js (https://nodejs.org), or give the full path of node'],
  ['uvx', 'uvx comes with uv (https://docs.astral.sh/uv/); if that is installed, give the full path of uvx'],
  ['uv', 'Install uv (https://docs.astral.sh/uv/), or give its full path'],
  ['python', 'Try python3 instead of python, or give the full path'],
  ['docker', 'Install Docker, or give the full path of docker'],
]);

/** Words of a server that died, and what they ask for; the first that match count. */
const LAST_WORDS: readonly (readonly [RegExp, string])[] = [
  [
    /input device is not a (?:TTY|terminal)|TTY-enabled container/i,
    'There is no terminal here: take -t out of args, and keep -i (`docker run -i`, not `-it`)',
  ],
  [
    /Cannot connect to the Docker daemon|Is the docker daemon running|Cannot connect to Podman|docker\.sock: connect/i,
    'The container engine does not run, or does not let this user in: start it, and check its permissions',
  ],
  [
    /pull access denied|manifest unknown|manifest for .* not found|No such image|repository does not exist/i,
    'There is no such image, or it needs a login: check its name and tag, and try to pull it by hand',
  ],
  [
    /could not determine executable to run/,
    'The package has no program of that name: check the package name behind npx',
  ],
  [
    /npm (?:ERR!|error) code E404|404 Not Found .*registry/,
    'There is no such package: check its name and version',
  ],
  [
    /npm (?:ERR!|error) code (?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT)/,
    'npm could not reach its registry: check the network and the proxy variables',
  ],
  [
    /npx canceled|Need to install the following packages/,
    'npx waits for a confirmation that nobody can give: add -y as its first argument',
  ],
  [
    /EBADENGINE|Unsupported engine|requires? (?:a )?Node(?:\.js)? (?:version )?[>v^~\d]/i,
    'It needs another version of Node.js: give the full path of a newer one as the command',
  ],
  [
    /ERR_UNKNOWN_FILE_EXTENSION.*\.ts|Unknown file extension "\.ts"/,
    'This Node.js does not run TypeScript: build the server, or start it with a newer Node.js or tsx',
  ],
  [
    /SyntaxError: Unexpected (?:token|identifier)|is not a valid SemVer|ERR_UNSUPPORTED_/,
    'The file may need a newer version of Node.js, or to be built first',
  ],
  [
    /MODULE_NOT_FOUND|Cannot find (?:module|package)/,
    'A file or module is missing: check the path in args (a relative one starts at cwd), install the dependencies, build the server',
  ],
  [
    /ModuleNotFoundError|No module named/,
    'A Python module is missing: install it for this Python, or give the full path of the Python of its environment',
  ],
  [
    /can't open file|No such file or directory|ENOENT/,
    'A file is missing: check the paths in args; a relative one starts at cwd',
  ],
  [
    /EACCES|Permission denied|EPERM/i,
    'It was denied access to something: check the permissions of what its last words name',
  ],
  [
    /EADDRINUSE|address already in use/i,
    'A port it wants is in use; is it started twice, or set to serve HTTP rather than stdio?',
  ],
  [
    /(?:^|\n).*(?:missing|required|must be set|not set|undefined).*(?:environment variable|env(?: var)?\b|API[_ ]?KEY|TOKEN)|(?:API[_ ]?KEY|TOKEN|environment variable).*(?:missing|required|must be set|not set)/i,
    'It wants an environment variable: set it in "env", or pass it on with "passEnv"',
  ],
];

/** What to do about a server that ended, going by its last lines on stderr. */
export function hintForExit({ command, args }: Launch, code: number, stderr: string): string | undefined {
  const known = LAST_WORDS.find(([pattern]) => pattern.test(stderr));
  if (known !== undefined) return known[1];
  if (code === 127) return 'A command was not found by the program that was started';
  if (code === 126) return 'A file is not executable';
  if (code === 0 && isDetached({ command, args }))
    return `${nameOf(command)} run -d leaves the container in the background: take -d out of args, and keep -i`;
  if (code === 0 && lacksStdin({ command, args }))
    return `${nameOf(command)} run without -i gives the server no stdin: add -i`;
  if (code !== 0 || stderr !== '') return undefined;
  return waitsForConfirmation({ command, args })
    ? 'npx without -y asks before it installs: add -y as its first argument'
    : 'It ended by itself without an error: is this an MCP server, and is it told to use stdio?';
}

export function hintForMissing(command: string): string | undefined {
  return SOURCES.get(nameOf(command));
}

/** What to do about a server that runs and says nothing. */
export function hintForSilence(launch: Launch, env: Readonly<Record<string, string>>): string {
  if (waitsForConfirmation(launch))
    return 'npx without -y may be waiting for a confirmation: add -y as its first argument';
  if (lacksStdin(launch)) return `${nameOf(launch.command)} run without -i gives the server no stdin: add -i`;
  if (mayBeFetching(launch)) return `${nameOf(launch.command)} may be downloading the server`;
  if (buffersOutput(launch, env))
    return 'Python may be holding its output back: add -u, or set PYTHONUNBUFFERED=1';
  return 'is it an MCP server, and is it told to use stdio?';
}

/** Whether starting it may take a download. */
export function mayBeFetching({ command, args }: Launch): boolean {
  const name = nameOf(command);
  if (RUNNERS.has(name)) return true;
  const [first, second] = args;
  if (/^(?:npm|pnpm|yarn|bun)$/.test(name)) return first === 'exec' || first === 'dlx' || first === 'x';
  return name === 'uv' && (first === 'run' || (first === 'tool' && second === 'run'));
}

function waitsForConfirmation({ command, args }: Launch): boolean {
  if (nameOf(command) !== 'npx') return false;
  // Only what stands before the package is npx's own.
  const own = args.slice(0, args.findIndex((argument) => !argument.startsWith('-')) + 1 || args.length);
  return !own.some((argument) => argument === '-y' || argument === '--yes' || argument === '--no-install');
}

/** `docker run -d IMAGE`: the client ends at once. */
function isDetached({ command, args }: Launch): boolean {
  return (
    /^(?:docker|podman|nerdctl)$/.test(nameOf(command)) &&
    args.some((argument) => /^(?:-[itPq]*d[itPq]*|--detach(?:=true)?)$/.test(argument))
  );
}

/** `docker run IMAGE`: a container has no stdin unless it is asked for. */
function lacksStdin({ command, args }: Launch): boolean {
  if (!/^(?:docker|podman|nerdctl)$/.test(nameOf(command))) return false;
  const [first, second] = args;
  if (first !== 'run' && first !== 'exec' && !(first === 'container' && second === 'run')) return false;
  // Among other flags that take no value.
  return !args.some((argument) => /^(?:-[dtPq]*i[dtPq]*|--interactive(?:=true)?)$/.test(argument));
}

function buffersOutput({ command, args }: Launch, env: Readonly<Record<string, string>>): boolean {
  return (
    /^python[\d.]*$/.test(nameOf(command)) && !args.includes('-u') && (env['PYTHONUNBUFFERED'] ?? '') === ''
  );
}

/** `C:\tools\npx.cmd` → `npx` */
function nameOf(command: string): string {
  const file = command.split(/[\\/]/).at(-1) ?? '';
  return file.replace(/\.(?:exe|cmd|bat|ps1)$/i, '').toLowerCase();
}
