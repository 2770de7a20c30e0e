import type { IncomingMessage, ServerResponse } from 'node:http';
import { RunError, toRunError } from '../../errors.ts';
import { UNIDENTIFIED } from '../../link/principal.ts';
import type { Log } from '../../observe/log.ts';
import type { Admission } from './admit/admission.ts';
import { challengeFor } from './admit/authenticate.ts';
import { readBody } from './admit/body.ts';
import type { Paths } from './paths.ts';
import { sendEmpty, sendFault } from './responses/reply.ts';
import type { HttpCall, Route } from './route.ts';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface DispatcherOptions {
  readonly admission: Admission;
  readonly paths: Paths;
  readonly bodyLimitBytes: number;
  readonly log: Log;
}

/** Methods whose bodies mean nothing (RFC 9110, section 9.3). */
const BODILESS = new Set(['GET', 'HEAD', 'TRACE']);

/** Leads each request to its route, and answers those that are rejected on the way. */
export class Dispatcher {
  readonly #options: DispatcherOptions;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /**
   * MCP's endpoints are found without Fastify's routing, body parser and reply, which cost a fifth of a small call.
   * @param others handles what is not an endpoint of MCP
   */
  dispatch(request: IncomingMessage, response: ServerResponse, others: Handler): void {
    try {
      const { admission, paths, bodyLimitBytes } = this.#options;
      const { method = '', url: target = '' } = request;
      const endpoint = paths.find(target);
      if (endpoint === undefined) return others(request, response);
      const principal = admission.admit(request, response);
      const handle = endpoint.handlers.get(method);
      if (handle === undefined) return refuseMethod(method, response, endpoint.allow);
      const { server } = endpoint;
      if (BODILESS.has(method))
        return this.#run(handle, { request, response, body: undefined, server, principal });
      readBody(request, bodyLimitBytes, (body, error) => {
        if (error === undefined) this.#run(handle, { request, response, body, server, principal });
        else sendFault(response, error);
      });
    } catch (error) {
      this.fail(response, error);
    }
  }

  /** Handles a request of a route that is open to every client; never throws. */
  dispatchOpen(route: Route, request: IncomingMessage, response: ServerResponse): void {
    const { method = '' } = request;
    const handle = Object.hasOwn(route, method) ? route[method] : undefined;
    if (handle === undefined) refuseMethod(method, response, Object.keys(route).join(', '));
    else this.#run(handle, { request, response, body: undefined, server: '', principal: UNIDENTIFIED });
  }

  /** Answers a request with the error that its handling has ended with. */
  fail(response: ServerResponse, thrown: unknown): void {
    const error = toRunError(thrown);
    if (error.code === 'INTERNAL')
      this.#options.log.error({ event: 'http.internal-error', err: thrown }, error.message);
    // An event stream cannot carry it: the client notices by the end of the stream.
    if (response.headersSent) response.destroy();
    else
      sendFault(response, error, undefined, error.code === 'UNAUTHORIZED' ? challengeFor(response.req) : {});
  }

  #run(handle: Route[string], call: HttpCall): void {
    try {
      handle(call)?.catch((error: unknown) => this.fail(call.response, error));
    } catch (error) {
      this.fail(call.response, error);
    }
  }
}

function refuseMethod(method: string, response: ServerResponse, allow: string): void {
  if (method === 'OPTIONS') sendEmpty(response, 204, { allow });
  else sendFault(response, new RunError('METHOD_NOT_ALLOWED', { method }), undefined, { allow });
}
