import { RunError } from '../errors.ts';
import type { Mask } from '../observe/mask.ts';
import { maskValue } from '../observe/masked-log.ts';
import type { Introduction } from './inspector.ts';

/** The error without the secrets that the server was started or reached with. */
export function maskError(error: RunError, mask: Mask): RunError {
  const fields = Object.entries(error.fields).map(
    ([name, value]) => [name, typeof value === 'string' ? mask(value) : value] as const,
  );
  return new RunError(error.code, Object.fromEntries(fields), { cause: error });
}

/** A server may repeat the secrets in its introduction as well. */
export function maskIntroduction(introduction: Introduction, mask: Mask): Introduction {
  const { name, version, revision, capabilities } = introduction;
  const shown = maskValue(capabilities, mask);
  return {
    ...introduction,
    name: name === undefined ? undefined : mask(name),
    version: version === undefined ? undefined : mask(version),
    revision: mask(revision),
    capabilities: typeof shown === 'object' && shown !== null ? { ...shown } : {},
  };
}
