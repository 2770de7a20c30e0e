import { ServerResponse, type IncomingMessage } from 'node:http';
import { RunError } from '../../../errors.ts';
import { UNIDENTIFIED, type Principal } from '../../../link/principal.ts';
import type { HttpOptions } from '../../listeners.ts';
import { createAuthenticate, type Authenticate } from './authenticate.ts';
import { createGuard, type Guard } from './guard.ts';
import { requireSingleHeaders } from './single-headers.ts';

/** Decides from the head of a request alone whether it is accepted, before its body is read. */
export class Admission {
  readonly #guard: Guard;
  readonly #authenticate: Authenticate;
  readonly #hasTokens: boolean;

  constructor(options: HttpOptions) {
    this.#guard = createGuard(options);
    this.#authenticate = createAuthenticate(options.tokens);
    this.#hasTokens = options.tokens.length > 0;
  }

  /** @returns the principal. @throws RunError */
  admit(request: IncomingMessage, response: ServerResponse): Principal {
    requireSingleHeaders(request);
    this.#guard.check(request, response);
    // Browsers send no token with the question whether they may send one.
    const principal = request.method === 'OPTIONS' ? UNIDENTIFIED : this.#authenticate(request);
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      throw new RunError('UNSUPPORTED_MEDIA_TYPE', { detail: `content-encoding ${encoding}` });
    }
    return principal;
  }

  /** Probes need no token. @param anyHost whether the request is answered by any Host. @throws RunError */
  admitProbe(request: IncomingMessage, response: ServerResponse, anyHost: boolean): void {
    requireSingleHeaders(request);
    if (anyHost) this.#guard.checkTarget(request);
    else this.#guard.checkProbe(request, response);
  }

  /** Whether the request proves that its client may use the servers: without tokens every client is anonymous. */
  isAuthenticated(request: IncomingMessage): boolean {
    if (!this.#hasTokens) return false;
    try {
      this.#guard.check(request, new ServerResponse(request));
      this.#authenticate(request);
      return true;
    } catch {
      return false;
    }
  }
}
