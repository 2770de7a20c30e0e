import { childEnvironment } from '../manifest/resolve/environment.ts';
import type { Manifest } from '../manifest/settings.ts';
import { secretsOf } from '../observe/known-secrets.ts';
import type { CliContext } from './context.ts';

/** Deletes the variables whose values servers have been given as secrets: the resolved manifest has them. */
export function forgetSecrets({ servers }: Manifest, { env, forgetVariables }: CliContext): void {
  if (forgetVariables === undefined) return;
  const secrets = new Set(servers.flatMap(({ target }) => secretsOf(target)));
  const safe = childEnvironment({ from: env, passEnv: [], set: [] });
  const isSecret = ([name, value]: readonly [string, string | undefined]): boolean =>
    value !== undefined && secrets.has(value.trim()) && !Object.hasOwn(safe, name);
  forgetVariables(Object.entries(env).flatMap((variable) => (isSecret(variable) ? [variable[0]] : [])));
}
