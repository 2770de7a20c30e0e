import { RunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';

/** Why a server could not be reached, from what the connection failed with. */
export function unreachable(server: string, url: URL, error: unknown): RunError {
  if (error instanceof RunError) return error;
  const failure = knownFailure(error);
  const fields = { server, url: shown(url), detail: failure ?? textOf(error) };
  return new RunError(
    'UPSTREAM_UNREACHABLE',
    { ...fields, ...(failure !== undefined && { failure }) },
    { cause: error },
  );
}

/** A request to a remote server has failed: its client is told, over the network not all of it. */
export function logFailure(log: Log, error: RunError): void {
  const level = error.message === error.publicMessage ? 'debug' : 'warn';
  log[level]({ event: 'remote.failed', reason: error.code.toLowerCase() }, error.message);
}

/** An address without what may be secret: no user, password, query. */
export function shown({ origin, pathname }: URL): string {
  return origin + pathname;
}

/** The origin of an address, or its scheme where it has none. */
export function originOf({ origin, protocol }: URL): string {
  return origin === 'null' ? protocol : origin;
}

const TO_ENDPOINT = 'sends the messages of HTTP+SSE to an endpoint of';

/** The stream of a server of HTTP+SSE names an endpoint that no message is sent to. */
export function foreignEndpoint(server: string, endpoint: URL): RunError {
  return new RunError('UPSTREAM_REDIRECT', {
    server,
    action: TO_ENDPOINT,
    origin: originOf(endpoint),
    hint: 'Use the URL of that origin if you trust it; behind a proxy, configure the server with its public URL.',
  });
}

export function isForeignEndpoint({ fields }: RunError): boolean {
  return fields['action'] === TO_ENDPOINT;
}

/** The system's code of what failed, of a connection to several addresses the first one's. */
export function failureCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof AggregateError && error.errors.length > 0) return failureCode(error.errors[0]);
  if ('code' in error && typeof error.code === 'string') return error.code;
  return failureCode(error.cause);
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed',
  UND_ERR_SOCKET: 'the connection was closed',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
  ETIMEDOUT: 'no connection in time',
  ENOTFOUND: 'the name cannot be resolved',
  EAI_AGAIN: 'the name cannot be resolved now',
  EHOSTUNREACH: 'there is no way to the host',
  ENETUNREACH: 'there is no way to the network',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed (caFile)',
  SELF_SIGNED_CERT_IN_CHAIN: 'an authority in its chain of certificates is unknown (caFile)',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the authority of its certificate is unknown (caFile)',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the authority of its certificate is unknown (caFile)',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
};

function knownFailure(error: unknown): string | undefined {
  const code = failureCode(error);
  const words = code === undefined ? undefined : WORDS[code];
  return words === undefined ? undefined : `${words} (${code})`;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
