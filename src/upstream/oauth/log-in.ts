import type { Clock } from '../../clock.ts';
import { RunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';
import { createConnection, type Connection } from '../http/connection.ts';
import { createDispatcher } from '../http/dispatcher.ts';
import { discard, type HttpRequest } from '../http/http-call.ts';
import { createServerAddresses, type ServerAddresses } from '../http/server-addresses.ts';
import type { OAuthSettings, RemoteTarget } from '../../config/types.ts';
import { OAuthAuthorization } from './authorization.ts';
import { GuardedFetch } from './guarded-fetch.ts';
import { tokenInfoOf, type TokenInfo } from './token-info.ts';
import { openTokenStore, serverUrl } from './token-store.ts';

export interface LoginOptions {
  readonly server: string;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/**
 * Obtains tokens for a server, now.
 * @returns undefined if it does not ask for authorization
 * @throws RunError `AUTHORIZATION_FAILED`, `UPSTREAM_UNREACHABLE`, `UPSTREAM_HTTP`, `FILE_UNWRITABLE`, `INTERRUPTED`
 */
export async function logIn(
  target: RemoteTarget & { readonly oauth: OAuthSettings },
  { server, log, signal, clock }: LoginOptions,
): Promise<TokenInfo | undefined> {
  const { headers, tls, oauth } = target;
  const addresses = createServerAddresses();
  const dispatcher = await createDispatcher({ server, tls, lookup: addresses.lookup });
  const authorization = new OAuthAuthorization(target, { server, log, addresses, clock, interactive: true });
  const connection = createConnection({ server, dispatcher, headers, authorization, clock });
  try {
    const status = await ask(connection, target, { signal, clock });
    let header = await authorization.header(() => signal);
    // Some ask for it only when a tool is called, and announce it before.
    if (header === undefined && (await isAnnounced(target, { server, log, signal, clock, addresses }))) {
      await authorization.challenged({ status: 401, wwwAuthenticate: undefined, sent: undefined }, signal);
      header = await authorization.header(() => signal);
    }
    if (header === undefined) return refuseMissing(status, server);
    const tokenInfo = tokenInfoOf(await openTokenStore(serverUrl(target).href, oauth, log).read());
    if (tokenInfo !== undefined) return tokenInfo;
    throw new RunError('FILE_UNWRITABLE', { file: oauth.storeDirectory, detail: 'the tokens are lost' });
  } catch (error) {
    if (signal.aborted) throw new RunError('INTERRUPTED', {}, { cause: error });
    throw error;
  } finally {
    await authorization.close();
    await dispatcher.destroy();
  }
}

type Waiting = Pick<LoginOptions, 'signal' | 'clock'>;

/** Asks what any server may be asked and what changes nothing. @returns the HTTP status of the answer */
async function ask(
  connection: Connection,
  { url, transport }: RemoteTarget,
  waiting: Waiting,
): Promise<number> {
  const post: HttpRequest = {
    method: 'POST',
    url: new URL(url),
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: Buffer.from('{"jsonrpc":"2.0","id":0,"method":"ping"}'),
  };
  const get: HttpRequest = { method: 'GET', url: new URL(url), headers: { accept: 'text/event-stream' } };
  const status = await statusOf(connection, transport === 'sse' ? get : post, waiting);
  // A server of HTTP+SSE has nothing to post to here.
  return transport === 'auto' && isMissing(status) ? await statusOf(connection, get, waiting) : status;
}

async function statusOf(
  connection: Connection,
  request: HttpRequest,
  { signal, clock }: Waiting,
): Promise<number> {
  const sending = connection.send(request, true);
  const abort = (): void => sending.abort();
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    const response = await sending.response;
    discard(response, clock);
    return response.status;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function isMissing(status: number): boolean {
  return status === 404 || status === 405;
}

/** No authorization was required: by a server without authorization, or because there is no server. */
function refuseMissing(status: number, server: string): undefined {
  if (isMissing(status) || status >= 500) throw new RunError('UPSTREAM_HTTP', { server, status, detail: '' });
}

async function isAnnounced(
  { url, tls }: RemoteTarget,
  { server, log, signal, clock, addresses }: LoginOptions & { readonly addresses: ServerAddresses },
): Promise<boolean> {
  const { readResourceMetadata } = await import('./resource-metadata.ts');
  const guarded = new GuardedFetch({ server, url: new URL(url), tls, addresses, clock });
  try {
    const reader = { server, log, fetch: guarded.fetch(signal) };
    return (await readResourceMetadata(new URL(url), undefined, reader)) !== undefined;
  } finally {
    await guarded.close();
  }
}
