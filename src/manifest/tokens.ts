import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { RunError } from '../errors.ts';
import { readText } from './read-text.ts';

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
const OTHERS_MAY_USE = 0o006;

/**
 * Reads the tokens of a file, one a line, and of the variable.
 * @throws RunError `MANIFEST_UNREADABLE`, `TOKENS_INVALID`; no message ever holds a token.
 */
export async function readTokens({ file, variable }: TokenSources): Promise<Tokens> {
  const fromFile = file === undefined ? [] : await readTokenFile(file);
  const fromVariable = variable === undefined || variable === '' ? [] : [inVariable(variable)];
  const warnings = file === undefined ? [] : await doubtsAbout(file);
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

async function readTokenFile(file: string): Promise<Found[]> {
  const lines = (await readText(file, file)).split(/\r\n|\n|\r/);
  const found: Found[] = [];
  for (const [index, line] of lines.entries()) {
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

async function doubtsAbout(file: string): Promise<string[]> {
  if (process.platform === 'win32') return [];
  const { mode } = await stat(file);
  return (mode & OTHERS_MAY_USE) === 0
    ? []
    : [`${file}: other users of this machine may read or change it; chmod 600 helps`];
}

function digestOf(token: string): Uint8Array {
  return createHash('sha256').update(token).digest();
}
