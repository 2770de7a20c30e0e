import type { ServerResponse } from 'node:http';
import { isRunError, RunError, toRunError } from '../../../errors.ts';
import { parseClientBody } from '../../../protocol/client-message.ts';
import { DEFAULT_REVISION } from '../../../protocol/constants.ts';
import { faultFrame } from '../../../protocol/fault.ts';
import type { Frame } from '../../../protocol/frame.ts';
import type { Link } from '../../../link/link.ts';
import { requireAccept } from '../admit/accept-header.ts';
import { Answer, type AnswerHost } from '../responses/answer.ts';
import { createPlainStream } from './event-stream.ts';
import { destroyConnection, onFinished } from '../responses/on-finished.ts';
import { createModernPosts } from '../modern/posts.ts';
import { isModern } from '../modern/request.ts';
import { requireRepeated } from '../admit/repeated-values.ts';
import { sendEmpty, sendFault } from '../responses/reply.ts';
import { requireBatch, requireRevision } from '../admit/revision.ts';
import type { HttpCall, Route, RouteContext } from '../route.ts';
import { observeTools } from '../tool-lists.ts';
import { requireAnswerable } from '../admit/unanswered.ts';

const NO_HEADERS = {};

/**
 * Streamable HTTP without sessions: every POST is a conversation of its own, so any replica can answer it (2025-11-25,
 * basic/transports: a server MAY assign a session id). Nobody can be asked, and nothing can be resumed.
 */
export function createStatelessRoutes(context: RouteContext): [path: string, route: Route][] {
  const { options, parameters, refuseWhenDraining, onTick } = context;
  const canStream = !options.jsonResponse;
  const types = canStream ? ['application/json', 'text/event-stream'] : ['application/json'];
  const host: AnswerHost = {
    canStream,
    headersFor: () => NO_HEADERS,
    statusOf: () => 200,
    openPostStream: createPlainStream,
  };
  const modern = createModernPosts(context);
  const answers = new Set<Answer>();
  onTick((now) => {
    for (const answer of answers) answer.tick(now, options.keepAliveMs);
  });
  return [[options.httpPath, { POST: post }]];

  function post(call: HttpCall): void {
    const { request, response, body } = call;
    requireAccept(request, types);
    if (body === undefined) throw new RunError('PARSE_ERROR', { detail: 'the body is empty' });
    const parsed = parseClientBody(body);
    if (isModern(request, parsed)) return modern.post(call, parsed);
    const isBatch = Array.isArray(parsed);
    const frames = isBatch ? parsed : [parsed];
    try {
      const revision = requireRevision(request) ?? DEFAULT_REVISION;
      requireRepeated(call, frames, context);
      if (isBatch) requireBatch(frames, revision);
      receive(frames, isBatch, call);
    } catch (error) {
      if (!isRunError(error)) throw error;
      sendFault(
        response,
        error,
        frames.length === 1 && frames[0]?.kind === 'request' ? frames[0].id : undefined,
      );
    }
  }

  function receive(
    frames: readonly Frame[],
    isBatch: boolean,
    { response, server, principal }: HttpCall,
  ): void {
    const requests = frames.filter(({ kind }) => kind === 'request');
    // Without a session a notification has nothing to be about.
    if (requests.length === 0) return sendEmpty(response, 202);
    refuseWhenDraining();
    // One for each connection, unless a client sends more before it is answered.
    requireAnswerable(answers.size + 1, options.maxConnections);
    options.admit(server);
    const ids = new Set(requests.map(({ id }) => id));
    if (ids.size < requests.length) throw new RunError('INVALID_REQUEST', { detail: 'an id is there twice' });

    const answer = new Answer(host, response, requests.length, isBatch);
    const exchange = createExchangeLink(answer, requests.length, response, principal);
    const link = observeTools(exchange.link, (list) => parameters.learn(principal, server, list));
    options.accept(link, server, 'request');
    answers.add(answer);
    onFinished(response, () => answers.delete(answer));
    for (const frame of requests) exchange.receive(frame);
  }

  /** The link that lasts for one POST. */
  function createExchangeLink(
    answer: Answer,
    requests: number,
    response: ServerResponse,
    principal: string,
  ): { link: Link; receive(frame: Frame): void } {
    let onframe: (frame: Frame) => void | Promise<void> = () => {};
    let onclose: () => void = () => {};
    let awaited = requests;
    let isClosed = false;
    onFinished(response, end);

    const link: Link = {
      peer: 'client',
      era: 'legacy',
      principal,
      supports: { notifications: canStream, requests: false },
      send(frame) {
        if (frame.kind !== 'response') return answer.push(frame);
        const wait = answer.respond(frame);
        // Until it is taken it counts as unread, and its client can be cut off for that.
        if (wait === undefined) settled();
        else void wait.then(settled);
        return wait;
      },
      onframe(handler) {
        onframe = handler;
      },
      onend() {},
      onclose(handler) {
        onclose = handler;
      },
      abandonResponse() {
        answer.forget();
        settled();
      },
      async close(reason) {
        if (isRunError(reason, 'CLIENT_TOO_SLOW')) destroyConnection(response);
        end();
      },
    };
    return { link, receive };

    function receive(frame: Frame): void {
      try {
        void onframe(frame);
      } catch (error) {
        void answer.respond(faultFrame(toRunError(error), frame.id));
        settled();
      }
    }

    function settled(): void {
      awaited -= 1;
      if (awaited === 0) end();
    }

    function end(): void {
      if (isClosed) return;
      isClosed = true;
      onclose();
    }
  }
}
