import type { FetchLike } from '@modelcontextprotocol/client';
import type { Clock } from '../../clock.ts';
import { RunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';
import type { OAuthSettings } from '../../config/types.ts';
import type { AddressScope } from './address-scope.ts';
import type { BindingStore } from './issuer-binding.ts';
import { isSameIssuer } from './names.ts';
import type { Stored, StoredClient } from './stored.ts';
import type { TokenStore } from './token-store.ts';

/** What one attempt at authorization works with, under the lock of the server's store. */
export interface OAuthContext {
  readonly server: string;
  readonly url: URL;
  readonly settings: OAuthSettings;
  readonly log: Log;
  readonly fetch: FetchLike;
  /** @throws RunError `AUTHORIZATION_FAILED` if this URL is not to be used. */
  checkUrl(url: URL): Promise<void>;
  /** Where the server is. */
  home(): Promise<AddressScope>;
  readonly tokenStore: TokenRecord;
  readonly binding: BindingStore;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** What is stored, and kept stored. */
export interface TokenRecord {
  readonly stored: Stored;
  save(change: Partial<Stored>): Promise<void>;
  /** In place of the one at the same issuer. */
  saveClient(client: StoredClient): Promise<void>;
  /** The authorization server does not know it any more. */
  forgetClient(issuer: string): Promise<void>;
}

export async function openTokenRecord(store: TokenStore): Promise<TokenRecord> {
  let stored = await store.read();
  const save = async (change: Partial<Stored>): Promise<void> => {
    stored = { ...stored, ...change };
    await store.write(stored);
  };
  const others = (issuer: string): readonly StoredClient[] =>
    stored.clients.filter((client) => !isSameIssuer(client.issuer, issuer));
  return {
    get stored() {
      return stored;
    },
    save,
    saveClient: (client) => save({ clients: [...others(client.issuer), client] }),
    forgetClient: (issuer) => save({ clients: others(issuer) }),
  };
}

export function authorizationFailed(
  { server }: Pick<OAuthContext, 'server'>,
  detail: string,
  cause?: unknown,
  hint?: string,
): RunError {
  const fields = { server, detail, ...(hint !== undefined && { hint }) };
  return new RunError('AUTHORIZATION_FAILED', fields, { cause });
}
