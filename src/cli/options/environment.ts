type Variables = Readonly<Record<string, string | undefined>>;

/** Ours; no library and no process that we start needs them. */
const OWN = /^MCP_RUN_/i;

/**
 * A copy of the environment, out of which our own variables are deleted: they may hold tokens and the answers to inputs,
 * and all that is started or printed by others has the environment of this process.
 */
export function takeEnvironment(env: NodeJS.ProcessEnv, platform = process.platform): Variables {
  const copy: Record<string, string | undefined> = { ...env };
  for (const name of Object.keys(copy)) if (OWN.test(name)) delete env[name];
  return platform === 'win32' ? withoutCase(copy) : copy;
}

/** Windows takes `Path` and `PATH` for one variable. */
function withoutCase(variables: Variables): Variables {
  const names = new Map(Object.keys(variables).map((name) => [name.toUpperCase(), name]));
  const nameOf = (key: string | symbol): string | symbol =>
    typeof key === 'string' ? (names.get(key.toUpperCase()) ?? key) : key;
  return new Proxy(variables, {
    get: (target, key) => Reflect.get(target, nameOf(key)) as unknown,
    has: (target, key) => Reflect.has(target, nameOf(key)),
    getOwnPropertyDescriptor: (target, key) => Reflect.getOwnPropertyDescriptor(target, nameOf(key)),
  });
}
