import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { RunError } from '../../../errors.ts';
import type { Principal } from '../../../link/principal.ts';

/** The principal of all clients on a listener without tokens. */
const ANYONE: Principal = { id: 'local', claims: {} };

/**
 * Static bearer tokens (RFC 6750, section 2.1).
 * @param digests SHA-256 of each token; without any, everyone is let in.
 */
export function createAuthenticate(digests: readonly Uint8Array[]): (request: IncomingMessage) => Principal {
  if (digests.length === 0) return () => ANYONE;
  const tokens = digests.map((digest) => ({ digest, principal: principalOf(digest) }));

  return (request) => {
    const presented = createHash('sha256').update(bearerOf(request)).digest();
    let principal: Principal | undefined;
    // All of them, so that the time tells neither which one it is nor how much of it is right.
    for (const token of tokens) if (timingSafeEqual(token.digest, presented)) principal = token.principal;
    if (principal === undefined) {
      throw new RunError('UNAUTHORIZED', { detail: 'the bearer token is not valid' });
    }
    return principal;
  };
}

/** What goes with a 401 (RFC 6750, section 3). */
export function challengeFor(request: IncomingMessage): Readonly<Record<string, string>> {
  const isMissing = request.headers.authorization === undefined;
  return { 'www-authenticate': `Bearer realm="mcp-run"${isMissing ? '' : ', error="invalid_token"'}` };
}

function principalOf(digest: Uint8Array): Principal {
  return { id: `token:${Buffer.from(digest).toString('hex', 0, 6)}`, claims: {} };
}

function bearerOf(request: IncomingMessage): string {
  const { authorization } = request.headers;
  if (authorization === undefined)
    throw new RunError('UNAUTHORIZED', { detail: 'a bearer token is required' });
  // Node keeps the first one only; a proxy in front of us may have checked the other.
  if (countOf('authorization', request.rawHeaders) > 1) {
    throw new RunError('UNAUTHORIZED', { detail: 'there is more than one Authorization header' });
  }
  const token = /^bearer +([\x21-\x7e]+)$/i.exec(authorization)?.[1];
  if (token === undefined) {
    throw new RunError('UNAUTHORIZED', { detail: 'the Authorization header holds no bearer token' });
  }
  return token;
}

function countOf(name: string, rawHeaders: readonly string[]): number {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === name) count += 1;
  }
  return count;
}
