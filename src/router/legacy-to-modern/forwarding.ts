import { RunError, toRunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';
import { forParent, withParentView } from '../../protocol/fault.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import { legacyAnswer, type LegacyAnswer } from './answer.ts';
import { answerFrame, failureAnswer, faultAnswer, type Call } from './call.ts';
import { createCalls } from './calls.ts';
import type { Client } from './client.ts';
import { createInputRounds } from './input-rounds.ts';
import { membersOfMessage, type Member } from '../../protocol/json-object.ts';
import type { Outgoing } from './outgoing.ts';
import { createClientRequests } from './client-requests.ts';
import { modernRequest } from './request.ts';
import { all } from '../../link/waits.ts';

type Wait = void | Promise<void>;

export interface ForwardingOptions {
  /** Name of the server, for errors. */
  readonly server: string;
  readonly outgoing: Outgoing;
  readonly client: Client;
  /** That the client has initialized with. */
  readonly revision: string;
  readonly toClient: (frame: Frame, relatedRequestId?: RequestId) => Wait;
  readonly log: Log;
}

/** The requests that a server answers, each until the client has its answer. */
export interface Forwarding {
  start(call: Call): Wait;
  /** The client has answered a question. */
  reply(answer: Frame): Wait;
  /** The client does not wait any more. */
  cancel(id: unknown, reason: string | undefined): Wait;
  progressed(progress: Frame): Wait;
  /** Whose doing a message is that came with this request of ours. */
  idOf(upstreamId: RequestId | undefined): RequestId | undefined;
  clear(): void;
}

export function createForwarding(options: ForwardingOptions): Forwarding {
  const { server, client, revision, outgoing, toClient, log } = options;
  const calls = createCalls();
  const questions = createClientRequests(toClient);
  const input = createInputRounds({ server, questions, client, revision, retry: send, fail });

  return {
    start(call) {
      calls.start(call);
      return send(call);
    },
    reply(answer) {
      const answered = questions.take(answer.id);
      if (answered !== undefined) return answered(answer);
      log.debug(
        { event: 'client.answer-dropped', id: answer.id },
        'the client answered what nobody asks any more',
      );
      return undefined;
    },
    cancel,
    progressed,
    idOf: (upstreamId) => calls.byUpstreamId(upstreamId)?.id,
    clear() {
      input.clear();
      questions.clear();
      calls.clear();
    },
  };

  function send(call: Call, retry: readonly Member[] = []): Wait {
    return outgoing.send(
      (id) => {
        calls.move(call, id);
        return modernRequest(call.request, id, client.envelope, retry);
      },
      (answer) => answered(call, answer),
    );
  }

  function answered(call: Call, frame: Frame): Wait {
    const answer = translate(call, frame);
    if (answer instanceof RunError) return finish(call, faultAnswer(call, answer));
    if (answer.kind === 'answer') return finish(call, answerTo(call, answer, frame));
    calls.move(call, undefined);
    call.progress.nextRound();
    return demand(call, answer.result);
  }

  /** @param frame the server's answer, or a failure of ours in its place */
  function answerTo(call: Call, { outcome }: { readonly outcome: Member }, frame: Frame): Frame {
    const own = forParent(frame);
    const answer = answerFrame(call, outcome);
    if (own === frame) return answer;
    return withParentView(answer, () => {
      const whole = translate(call, own);
      return 'outcome' in whole ? answerFrame(call, whole.outcome) : answer;
    });
  }

  function demand(call: Call, result: readonly Member[]): Wait {
    try {
      return input.required(call, result);
    } catch (error) {
      // What can be parsed can be nested too deeply to be written again.
      const { method } = call.request;
      return fail(call, new RunError('MALFORMED_ANSWER', { server, method }, { cause: error }));
    }
  }

  function translate(call: Call, frame: Frame): LegacyAnswer | RunError {
    try {
      return legacyAnswer(server, call.request.method, frame);
    } catch (error) {
      return toRunError(error);
    }
  }

  function fail(call: Call, error: RunError): Wait {
    log.info(
      { event: 'input.failed', method: call.request.method, reason: error.code.toLowerCase() },
      error.message,
    );
    return finish(call, failureAnswer(call, error), error.publicMessage);
  }

  function finish(call: Call, answer: Frame, reason = 'the call has ended'): Wait {
    if (!calls.end(call)) return undefined;
    // What is still open is taken back before the answer ends the stream that it was asked on.
    return all([input.end(call, reason), toClient(answer, call.id)]);
  }

  function cancel(id: unknown, reason: string | undefined): Wait {
    const call = calls.get(id);
    if (call === undefined) return undefined;
    const { upstreamId } = call;
    calls.end(call);
    const withdrawn = input.end(call, reason ?? 'the call was cancelled');
    return upstreamId === undefined ? withdrawn : all([withdrawn, outgoing.cancel(upstreamId, reason)]);
  }

  function progressed(frame: Frame): Wait {
    const call = calls.byUpstreamId(frame.message.params?.['progressToken']);
    const progress = call?.progress.translate(membersOfMessage(frame));
    return progress === undefined ? undefined : toClient(progress, call?.id);
  }
}
