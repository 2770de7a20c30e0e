/** Which variables a child process gets to see. */

type Variables = Readonly<Record<string, string | undefined>>;

export interface EnvironmentSources {
  /** Our own environment. */
  readonly from: Variables;
  /** `NAME`, `PREFIX_*` or `*`. */
  readonly passEnv: readonly string[];
  /** Set on top, later ones win: the files' contents, then `env`. */
  readonly set: readonly Readonly<Record<string, string>>[];
  readonly platform?: NodeJS.Platform;
}

const POSIX_SAFE = ['HOME', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER'];
const WINDOWS_SAFE = [
  'APPDATA',
  'HOMEDRIVE',
  'HOMEPATH',
  'LOCALAPPDATA',
  'PATH',
  'PROCESSOR_ARCHITECTURE',
  'PROGRAMFILES',
  'SYSTEMDRIVE',
  'SYSTEMROOT',
  'TEMP',
  'USERNAME',
  'USERPROFILE',
];
/** Certificates, proxies and language: without them a server that works in a terminal fails behind a company network. */
const ALSO_SAFE = /^(NODE_EXTRA_CA_CERTS|SSL_CERT_\w+|[A-Z]+_PROXY|[a-z]+_proxy|LANG|LC_\w+|TZ)$/;
/** Ours; may hold the clients' token and the answers to a manifest's secret inputs. */
const OWN = /^(?:MCP_RUN_|_MCPR_CHILD$)/i;

/** Whether a variable of this name is one of ours, which no server gets unless its entry sets it. */
export function isOwnVariable(name: string): boolean {
  return OWN.test(name);
}

/** Whether it marks the processes of an mcp-run that has started us (`process/marker.ts`): no value for a manifest. */
function isMarker(name: string): boolean {
  return name === '_MCPR_CHILD';
}

/** Finds variables that a manifest may refer to. */
export function variableLookup(env: Variables): (name: string) => string | undefined {
  return (name) => (Object.hasOwn(env, name) && !isMarker(name) ? env[name] : undefined);
}

/** The safe list, what `passEnv` names, and what is set explicitly. Our own variables stay here even if named. */
export function childEnvironment(sources: EnvironmentSources): Record<string, string> {
  const windows = (sources.platform ?? process.platform) === 'win32';
  const safe = new Set(windows ? WINDOWS_SAFE : POSIX_SAFE);
  const patterns = sources.passEnv.map((pattern) => matcher(pattern, windows));
  const passed = pick(sources.from, (name, value) => {
    if (OWN.test(name)) return false;
    if (patterns.some((matches) => matches(name))) return true;
    // A value that starts like this is an exported shell function, which old shells execute.
    if (value.startsWith('()')) return false;
    return safe.has(windows ? name.toUpperCase() : name) || ALSO_SAFE.test(name);
  });
  return assignAll(passed, sources.set, windows);
}

/** Everything but our own variables: for a wrapper whose parent set the server's variables on us. */
export function wholeEnvironment(
  from: Variables,
  set: readonly Readonly<Record<string, string>>[] = [],
  platform: NodeJS.Platform = process.platform,
): Record<string, string> {
  return assignAll(
    pick(from, (name) => !OWN.test(name)),
    set,
    platform === 'win32',
  );
}

function matcher(pattern: string, windows: boolean): (name: string) => boolean {
  const wanted = windows ? pattern.toUpperCase() : pattern;
  const fold = (name: string): string => (windows ? name.toUpperCase() : name);
  if (!wanted.endsWith('*')) return (name) => fold(name) === wanted;
  const prefix = wanted.slice(0, -1);
  return (name) => fold(name).startsWith(prefix);
}

function pick(from: Variables, wanted: (name: string, value: string) => boolean): Map<string, string> {
  const picked = new Map<string, string>();
  for (const [name, value] of Object.entries(from)) {
    if (value !== undefined && wanted(name, value)) picked.set(name, value);
  }
  return picked;
}

function assignAll(
  target: Map<string, string>,
  sources: readonly Readonly<Record<string, string>>[],
  windows: boolean,
): Record<string, string> {
  for (const source of sources) {
    for (const [name, value] of Object.entries(source)) {
      // Windows takes `Path` and `PATH` for one variable, and which of two copies wins is undefined.
      if (windows)
        for (const old of target.keys()) if (old.toUpperCase() === name.toUpperCase()) target.delete(old);
      target.set(name, value);
    }
  }
  // Null prototype: a variable may be called `__proto__`.
  const result: Record<string, string> = Object.create(null);
  for (const [name, value] of target) result[name] = value;
  return result;
}
