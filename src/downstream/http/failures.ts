import type { FastifyReply, FastifyRequest } from 'fastify';
import { isRunError, toRunError } from '../../errors.ts';
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
    if (error.code === 'INTERNAL')
      this.#options.log.error({ event: 'http.internal-error', err: thrown }, error.message);
    // An event stream cannot carry it: the client notices by the end of the stream.
    if (reply.sent) endStream(reply);
    else this.answer(error, reply.request, reply);
  }

  /** The error handler of the endpoints. Errors of hooks that are not ours are left to the one around it. */
  answer(error: Error, { raw }: FastifyRequest, reply: FastifyReply): void {
    const known = isRunError(error) ? error : bodyErrorOf(error, raw, this.#options.bodyLimitBytes);
    // Its client has left in the middle of the body.
    if (known === undefined && raw.destroyed) return;
    if (known === undefined) throw error;
    sendFault(reply, known, undefined, known.code === 'UNAUTHORIZED' ? challengeFor(raw) : {});
  }
}

function endStream({ raw }: FastifyReply): void {
  if (!raw.writableEnded) raw.destroy();
}
