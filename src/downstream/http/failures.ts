import type { FastifyReply, FastifyRequest } from 'fastify';
import { isRunError, toRunError, type RunError } from '../../errors.ts';
import type { EndpointOptions } from '../listeners.ts';
import { challengeFor } from './admit/authenticate.ts';
import { bodyErrorOf } from './admit/body.ts';
import { sendFault } from './responses/reply.ts';

/** Answers the requests that fail, with a JSON-RPC error and its status. */
export class Failures {
  readonly #options: Pick<EndpointOptions, 'bodyLimitBytes' | 'log'>;

  constructor(options: Pick<EndpointOptions, 'bodyLimitBytes' | 'log'>) {
    this.#options = options;
  }

  /** Answers a request with the error that its handler has ended with. */
  fail(reply: FastifyReply, thrown: unknown): void {
    const error = toRunError(thrown);
    if (!reply.sent) return this.answer(error, reply.request, reply, thrown);
    this.#report(error, thrown);
    // An event stream cannot carry it: the client notices by the end of the stream.
    endStream(reply);
  }

  /** The error handler of the endpoints. Errors of hooks that are not ours are left to the one around it. */
  answer(error: Error, { raw }: FastifyRequest, reply: FastifyReply, thrown: unknown = error): void {
    const known = isRunError(error) ? error : bodyErrorOf(error, raw, this.#options.bodyLimitBytes);
    // Its client has left in the middle of the body.
    if (known === undefined && raw.destroyed && !raw.complete) return;
    if (known === undefined) throw error;
    this.#report(known, thrown);
    sendFault(reply, known, undefined, known.code === 'UNAUTHORIZED' ? challengeFor(raw) : {});
  }

  #report({ code, message }: RunError, thrown: unknown): void {
    if (code === 'INTERNAL') this.#options.log.error({ event: 'http.internal-error', err: thrown }, message);
  }
}

function endStream({ raw }: FastifyReply): void {
  if (!raw.writableEnded) raw.destroy();
}
