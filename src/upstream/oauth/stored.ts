import { isSameIssuer, isSamePlace } from './names.ts';
import { ADDRESS_SCOPES, type AddressScope } from './address-scope.ts';

/** What is kept about one server. */
export interface Stored {
  /** The server's. */
  readonly url: string;
  readonly tokens: StoredTokens | undefined;
  /** Our registration at each authorization server so far. */
  readonly clients: readonly StoredClient[];
  /** The last time a user was asked in vain. */
  readonly failure: StoredFailure | undefined;
  /** Where the server was when it was signed in to; undefined: not yet. */
  readonly reach?: AddressScope | undefined;
}

export interface StoredTokens {
  /** They are sent to no other. */
  readonly issuer: string;
  /** What the issuer's metadata was found with. */
  readonly authorizationServer: string;
  readonly accessToken: string;
  readonly refreshToken: string | undefined;
  /** Milliseconds since 1970; undefined: unknown. */
  readonly expiresAt: number | undefined;
  /** Milliseconds since 1970. */
  readonly obtainedAt: number;
  /** They came from a refresh token, without the user. */
  readonly isRenewed: boolean;
  /** What was granted. */
  readonly scope: string | undefined;
  readonly requestedScope: string | undefined;
  readonly resource: string | undefined;
}

export interface StoredClient {
  readonly issuer: string;
  /** As that of tokens; undefined: the issuer. */
  readonly authorizationServer?: string | undefined;
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  readonly authMethod: string | undefined;
  /** The one it is registered with; undefined for a client that the user has registered. */
  readonly redirectUri: string | undefined;
  /** Seconds since 1970; undefined: never. */
  readonly secretExpiresAt: number | undefined;
}

export interface StoredFailure {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** How often in a row. */
  readonly count: number;
  readonly detail: string;
}

const VERSION = 1;

/** Whether an authorization server has issued tokens; another one may publish metadata with the same issuer. */
export function isIssuedBy(
  { issuer, authorizationServer }: StoredTokens,
  by: { readonly issuer: string; readonly url: string },
): boolean {
  return isSameIssuer(issuer, by.issuer) && isSamePlace(authorizationServer, by.url);
}

export function emptyStored(url: string): Stored {
  return { url, tokens: undefined, clients: [], failure: undefined };
}

export function formatStored(stored: Stored): string {
  return `${JSON.stringify({ version: VERSION, ...stored }, null, 2)}\n`;
}

/** @returns undefined if the text is not what `formatStored` writes */
export function parseStored(text: string): Stored | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(value) || value['version'] !== VERSION) return undefined;
  const url = textOf(value['url']);
  if (url === undefined) return undefined;
  const clients: readonly unknown[] = Array.isArray(value['clients']) ? value['clients'] : [];
  return {
    url,
    tokens: readTokens(value['tokens']),
    clients: clients.flatMap((client) => readClient(client) ?? []),
    failure: readFailure(value['failure']),
    reach: ADDRESS_SCOPES.find((reach) => reach === value['reach']),
  };
}

function readTokens(value: unknown): StoredTokens | undefined {
  if (!isRecord(value)) return undefined;
  const issuer = textOf(value['issuer']);
  const accessToken = textOf(value['accessToken']);
  if (issuer === undefined || accessToken === undefined) return undefined;
  return {
    issuer,
    authorizationServer: textOf(value['authorizationServer']) ?? issuer,
    accessToken,
    refreshToken: textOf(value['refreshToken']),
    expiresAt: numberOf(value['expiresAt']),
    obtainedAt: numberOf(value['obtainedAt']) ?? 0,
    isRenewed: value['isRenewed'] === true,
    scope: textOf(value['scope']),
    requestedScope: textOf(value['requestedScope']),
    resource: textOf(value['resource']),
  };
}

function readClient(value: unknown): StoredClient | undefined {
  if (!isRecord(value)) return undefined;
  const issuer = textOf(value['issuer']);
  const clientId = textOf(value['clientId']);
  if (issuer === undefined || clientId === undefined) return undefined;
  return {
    issuer,
    authorizationServer: textOf(value['authorizationServer']),
    clientId,
    clientSecret: textOf(value['clientSecret']),
    authMethod: textOf(value['authMethod']),
    redirectUri: textOf(value['redirectUri']),
    secretExpiresAt: numberOf(value['secretExpiresAt']),
  };
}

function readFailure(value: unknown): StoredFailure | undefined {
  if (!isRecord(value)) return undefined;
  const at = numberOf(value['at']);
  const detail = textOf(value['detail']);
  const count = numberOf(value['count']) ?? 1;
  return at === undefined || detail === undefined ? undefined : { at, count, detail };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
