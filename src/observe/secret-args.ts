import { findSecrets, isPlaceholder, USER_FLAG, type Span } from './find-secrets.ts';
import { isSecretName } from './secret-names.ts';

/** Values that give themselves away by their beginning. */
const SHAPE =
  /^(?:(?:sk|pk|rk)[-_]|gh[opsur]_|github_pat_|glpat-|xox[a-z]-|A[KS]IA[0-9A-Z]{16}$|eyJ[\w-]+\.|AIza|npm_[A-Za-z0-9]{20})/;
const ASSIGNMENT = /^-{0,2}[\w.-]*[\w-](?==)/;
const HEADER = /^(?:-H)?([A-Za-z][\w-]*):[ \t]?/;
const URL_START = /^[a-z][a-z\d+.-]*:\/\//i;
/** An assignment may be the value of a flag, and that of another. */
const MAX_NESTED = 4;

/** The secret part of each argument of a command. */
export function secretParts(args: readonly string[]): readonly (readonly Span[])[] {
  return args.map((arg, index) => {
    const before = args[index - 1] ?? '';
    const isValue = /^--?[A-Za-z]/.test(before) && !before.includes('=') && !arg.startsWith('-');
    if (isValue && isSecretName(before)) return whole(arg, 0);
    if (USER_FLAG.test(before) && !arg.startsWith('-')) return passwordIn(arg, 0);
    return partsOf(arg, 0, MAX_NESTED);
  });
}

function partsOf(arg: string, start: number, depth: number): readonly Span[] {
  const rest = start === 0 ? arg : arg.slice(start);
  const name = ASSIGNMENT.exec(rest)?.[0];
  if (name !== undefined && depth > 0) {
    const at = start + name.length + 1;
    // One argument is one value, with all the spaces in it. An address has parts of its own.
    if (isSecretName(name) && !URL_START.test(arg.slice(at))) return whole(arg, at);
    if (USER_FLAG.test(name)) return passwordIn(arg, at);
    return partsOf(arg, at, depth - 1);
  }
  const header = HEADER.exec(rest);
  if (header?.[1] !== undefined && isSecretName(header[1]) && !rest.startsWith('//', header[0].length))
    return whole(arg, start + header[0].length);
  if (/^-u[A-Za-z]\w*:./.test(rest)) return passwordIn(arg, start);
  if (SHAPE.test(rest)) return whole(arg, start);
  const found = findSecrets(rest);
  return start === 0 ? found : found.map((span) => ({ start: span.start + start, end: span.end + start }));
}

function whole(arg: string, start: number): readonly Span[] {
  const value = arg.slice(start);
  return value === '' || isPlaceholder(value) ? [] : [{ start, end: arg.length }];
}

/** Two numbers are ids of a user and a group. */
function passwordIn(arg: string, from: number): readonly Span[] {
  const user = arg.slice(from);
  const colon = user.indexOf(':');
  if (colon === -1 || /^\d*:\d*$/.test(user)) return [];
  return whole(arg, from + colon + 1);
}
