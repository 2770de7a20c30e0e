import { isSameIssuer } from './names.ts';
import type { Stored } from './stored.ts';

/** The facts about the tokens of a server that may be shown. */
export interface TokenInfo {
  /** The server's; may hold a secret of its own. */
  readonly url: string;
  readonly issuer: string;
  readonly clientId: string | undefined;
  readonly scope: string | undefined;
  /** Milliseconds since 1970; undefined: unknown. */
  readonly expiresAt: number | undefined;
  /** Without the user. */
  readonly isRenewable: boolean;
}

/** Undefined: there are no tokens. */
export function tokenInfoOf({ url, tokens, clients }: Stored): TokenInfo | undefined {
  if (tokens === undefined) return undefined;
  const { issuer, scope, expiresAt, refreshToken } = tokens;
  return {
    url,
    issuer,
    clientId: clients.find((client) => isSameIssuer(client.issuer, issuer))?.clientId,
    scope,
    expiresAt,
    isRenewable: refreshToken !== undefined,
  };
}
