import { createHash } from 'node:crypto';
import { RunError } from '../../errors.ts';
import { readSecretFile } from './secret-file.ts';

/** The variable that may hold a token. There is no such flag: every user of the machine can list our arguments. */
export const TOKEN_VARIABLE = 'MCP_RUN_TOKEN';

/** SHA-256 of each bearer token; the tokens themselves are forgotten as soon as they are read. */
export type TokenDigests = readonly Uint8Array[];

export interface TokenSources {
  readonly file: string | undefined;
  readonly variable: string | undefined;
}

export interface Tokens {
  readonly digests: TokenDigests;
  readonly warnings: readonly string[];
}

/** Fewer characters than this can be guessed. */
const SAFE_LENGTH = 16;

/**
 * Reads the tokens of a file, one a line, and of the variable.
 * @throws RunError `MANIFEST_UNREADABLE`, `TOKENS_INVALID`; no message ever holds a token.
 */
export async function readTokens({ file, variable }: TokenSources): Promise<Tokens> {
  const secret = file === undefined ? undefined : await readSecretFile(file);
  const fromFile = file === undefined || secret === undefined ? [] : tokensIn(secret.text, file);
  const fromVariable = variable === undefined || variable === '' ? [] : [inVariable(variable)];
  const warnings = [...(secret?.warnings ?? [])];
  for (const { token, where } of [...fromFile, ...fromVariable]) {
    if (token.length < SAFE_LENGTH) {
      warnings.push(`${where}: a token of ${token.length} characters can be guessed; use 32 random ones`);
    }
  }
  return { digests: [...fromFile, ...fromVariable].map(({ token }) => digestOf(token)), warnings };
}

interface Found {
  readonly token: string;
  readonly where: string;
}

function tokensIn(text: string, file: string): Found[] {
  const found: Found[] = [];
  for (const [index, line] of text.split(/\r\n|\n|\r/).entries()) {
    const token = line.trim();
    if (token === '' || token.startsWith('#')) continue;
    found.push(checked(token, `${file}: line ${index + 1}`));
  }
  if (found.length === 0) throw new RunError('TOKENS_INVALID', { detail: `${file} holds no token` });
  return found;
}

function inVariable(variable: string): Found {
  const token = variable.trim();
  if (token === '') throw new RunError('TOKENS_INVALID', { detail: `${TOKEN_VARIABLE} holds no token` });
  return checked(token, TOKEN_VARIABLE);
}

/** What a client cannot send in the header would be a token that never lets anybody in. */
function checked(token: string, where: string): Found {
  if (/^[\x21-\x7e]+$/.test(token)) return { token, where };
  const detail = `${where} is not a token: only visible ASCII characters, no spaces`;
  throw new RunError('TOKENS_INVALID', { detail });
}

function digestOf(token: string): Uint8Array {
  return createHash('sha256').update(token).digest();
}
