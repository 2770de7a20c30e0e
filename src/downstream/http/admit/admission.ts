import type { IncomingMessage } from 'node:http';
import type { FastifyRequest, onRequestHookHandler } from 'fastify';
import { toRunError } from '../../../errors.ts';
import type { Principal } from '../../../link/principal.ts';
import type { Authenticate, EndpointOptions } from '../../listeners.ts';
import { pathOf } from '../paths.ts';
import { createAuthenticate } from './authenticate.ts';
import { createGuard, type Guard } from './guard.ts';
import { requireSingleHeaders } from './single-headers.ts';

/**
 * The clients that a path is open to: *liveness* to probes by any Host, *readiness* to probes by a Host of a private
 * network, every other path to authenticated clients alone.
 */
export type ProbeAccess = 'liveness' | 'readiness';

export interface AdmissionOptions extends Pick<
  EndpointOptions,
  'allowHost' | 'allowOrigin' | 'authenticate' | 'baseUrl' | 'cors' | 'tokens'
> {
  /** The addresses that the HTTP server is bound to; none for requests that come another way. */
  readonly boundTo: () => readonly string[];
  /** Path → the probes that it is open to. */
  readonly probes: ReadonlyMap<string, ProbeAccess>;
}

const PROBE: Principal = { id: 'probe', claims: {} };

/** Decides from the head of a request alone whether it is accepted: the one `onRequest` hook of every path. */
export class Admission {
  readonly #guard: Guard;
  readonly #probes: ReadonlyMap<string, ProbeAccess>;
  readonly #authenticate: Authenticate;
  /** Without a proof of identity every client is anonymous. */
  readonly #isOpen: boolean;

  constructor(options: AdmissionOptions) {
    const { authenticate, tokens } = options;
    this.#guard = createGuard(options);
    this.#probes = options.probes;
    this.#authenticate = authenticate ?? fromTokens(tokens);
    this.#isOpen = authenticate === undefined && tokens.length === 0;
  }

  /** Passes the request on, with its principal in `request.mcpRun`. @throws RunError, also to `done` */
  readonly onRequest: onRequestHookHandler = (request, _reply, done) => {
    const principal = this.admit(request);
    if (!(principal instanceof Promise)) return pass(request, principal, done);
    // Without an error the request would go on.
    const fail = (error: unknown): void => done(error instanceof Error ? error : toRunError(error));
    principal.then((proven) => pass(request, proven, done), fail);
  };

  /**
   * @returns the client; undefined for the question which methods there are
   * @throws RunError
   */
  admit(request: FastifyRequest): Principal | Promise<Principal> | undefined {
    if (this.#checkSite(request.raw) !== undefined) return PROBE;
    // Browsers send no token with the question whether they may send one.
    return request.raw.method === 'OPTIONS' ? undefined : this.#authenticate(request);
  }

  /** Whether the request comes by a host and from an origin that are ours. */
  isFromAllowedSite({ raw }: FastifyRequest): boolean {
    try {
      this.#checkSite(raw);
      return true;
    } catch {
      return false;
    }
  }

  /** Whether the request proves that its client may use the servers. */
  async isAuthenticated(request: FastifyRequest): Promise<boolean> {
    if (this.#isOpen) return false;
    try {
      this.#guard.check(request.raw);
      await this.#authenticate(request);
      return true;
    } catch {
      return false;
    }
  }

  /** @throws RunError for a request by a host or from an origin that is not ours */
  #checkSite(request: IncomingMessage): ProbeAccess | undefined {
    requireSingleHeaders(request);
    const access = this.#accessTo(request.url ?? '');
    if (access === 'liveness') this.#guard.checkTarget(request);
    else if (access === 'readiness') this.#guard.checkProbe(request);
    else this.#guard.check(request);
    return access;
  }

  /** Only a path that is written as probes write it is open to them. */
  #accessTo(target: string): ProbeAccess | undefined {
    const isPlain = target.startsWith('/') && !target.includes('?');
    return this.#probes.get(isPlain ? target : pathOf(target));
  }
}

function fromTokens(digests: readonly Uint8Array[]): Authenticate {
  const authenticate = createAuthenticate(digests);
  return ({ raw }) => authenticate(raw);
}

function pass(request: FastifyRequest, principal: Principal | undefined, done: () => void): void {
  request.mcpRun = { principal, server: undefined };
  done();
}
