import type { Dispatcher } from 'undici';
import { RunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';
import { createConnection } from '../http/connection.ts';
import { createDispatcher } from '../http/dispatcher.ts';
import { discard, type HttpRequest } from '../http/http-call.ts';
import type { OAuthSettings, RemoteTarget } from '../target.ts';
import { createAuthorization } from './authorization.ts';
import { createGuardedFetch } from './guarded-fetch.ts';
import { holdingOf, type Holding } from './holding.ts';
import { openTokenStore, serverUrl } from './token-store.ts';

export interface LoginOptions {
  readonly server: string;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Obtains tokens for a server, now.
 * @returns undefined if it does not ask for authorization
 * @throws RunError `AUTHORIZATION_FAILED`, `UPSTREAM_UNREACHABLE`
 */
export async function logIn(
  target: RemoteTarget & { readonly oauth: OAuthSettings },
  { server, log, signal }: LoginOptions,
): Promise<Holding | undefined> {
  const dispatcher = await createDispatcher({ server, tls: target.tls });
  const authorization = createAuthorization(target, { server, log, dispatcher, insists: true });
  const { headers } = target;
  const connection = createConnection({ server, dispatcher, headers, authorization });
  const sending = connection.send(probe(target), true);
  const abort = (): void => sending.abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    discard(await sending.response);
    // Some ask for it only when a tool is called, and announce it before.
    if (
      (await authorization.header(signal)) === undefined &&
      (await isAnnounced(target, dispatcher, server, signal))
    ) {
      await authorization.challenged({ status: 401, wwwAuthenticate: undefined, sent: undefined }, signal);
    }
  } catch (error) {
    if (signal.aborted) throw new RunError('INTERRUPTED', {}, { cause: error });
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
    await authorization.close();
    await dispatcher.destroy();
  }
  return holdingOf(await openTokenStore(serverUrl(target).href, target.oauth, log).read());
}

/** Something that any server may be asked, and that changes nothing. */
function probe({ url, transport }: RemoteTarget): HttpRequest {
  if (transport === 'sse')
    return { method: 'GET', url: new URL(url), headers: { accept: 'text/event-stream' } };
  return {
    method: 'POST',
    url: new URL(url),
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: Buffer.from('{"jsonrpc":"2.0","id":0,"method":"ping"}'),
  };
}

async function isAnnounced(
  { url, tls }: RemoteTarget,
  dispatcher: Dispatcher,
  server: string,
  signal: AbortSignal,
): Promise<boolean> {
  const { readResourceMetadata } = await import('./discovery.ts');
  const guarded = createGuardedFetch({ server, url: new URL(url), tls, dispatcher });
  try {
    return (await readResourceMetadata(new URL(url), undefined, guarded.fetch(signal))) !== undefined;
  } finally {
    await guarded.close();
  }
}
