import type { Clock } from '../../clock.ts';
import { RunError, toRunError } from '../../errors.ts';
import { all } from '../../link/waits.ts';
import type { Log } from '../../observe/log.ts';
import { forParent, withParentView } from '../../protocol/fault.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import { membersOfMessage, type Member } from '../../protocol/json-object.ts';
import { legacyAnswer, type LegacyAnswer } from './answer.ts';
import { answerFrame, failureAnswer, faultAnswer, type Call } from './call.ts';
import { Calls } from './calls.ts';
import { ClientRequests } from './client-requests.ts';
import type { Client } from './client.ts';
import { InputRounds } from './input-rounds.ts';
import type { Outgoing } from './outgoing.ts';
import { modernRequest } from './request.ts';

type Wait = void | Promise<void>;

export interface ForwardingOptions {
  /** Name of the server, for errors. */
  readonly server: string;
  readonly outgoing: Outgoing;
  readonly client: Client;
  /** That the client has initialized with. */
  readonly revision: string;
  readonly toClient: (frame: Frame, relatedRequestId?: RequestId) => Wait;
  readonly clock: Clock;
  readonly log: Log;
}

/** The requests that a server answers, each until the client has its answer. */
export class Forwarding {
  readonly #options: ForwardingOptions;
  readonly #calls = new Calls();
  readonly #clientRequests: ClientRequests;
  readonly #input: InputRounds;

  constructor(options: ForwardingOptions) {
    const { server, client, revision, clock, toClient } = options;
    this.#options = options;
    this.#clientRequests = new ClientRequests(toClient);
    this.#input = new InputRounds({
      server,
      clientRequests: this.#clientRequests,
      client,
      revision,
      clock,
      retry: (call, members) => this.#toServer(call, members),
      fail: (call, error) => this.#fail(call, error),
    });
  }

  // From the client

  start(call: Call): Wait {
    this.#calls.start(call);
    return this.#toServer(call);
  }

  /** The client has answered a request of the server. */
  reply(answer: Frame): Wait {
    const onAnswer = this.#clientRequests.take(answer.id);
    if (onAnswer !== undefined) return onAnswer(answer);
    this.#options.log.debug(
      { event: 'client.answer-dropped', id: answer.id },
      'the client answered a request that is not open',
    );
    return undefined;
  }

  /** The client does not wait any more. */
  cancel(id: unknown, reason: string | undefined): Wait {
    const call = this.#calls.get(id);
    if (call === undefined) return undefined;
    const { upstreamId } = call;
    this.#calls.end(call);
    const ended = this.#input.end(call, reason ?? 'the call was cancelled');
    return upstreamId === undefined ? ended : all([ended, this.#options.outgoing.cancel(upstreamId, reason)]);
  }

  #toServer(call: Call, retry: readonly Member[] = []): Wait {
    const { outgoing, client } = this.#options;
    return outgoing.send(
      (id) => {
        this.#calls.move(call, id);
        return modernRequest(call.request, id, client.envelope, retry);
      },
      (answer) => this.#answered(call, answer),
    );
  }

  // From the server

  progressed(frame: Frame): Wait {
    const call = this.#calls.byUpstreamId(frame.message.params?.['progressToken']);
    const progress = call?.progress.translate(membersOfMessage(frame));
    return progress === undefined ? undefined : this.#options.toClient(progress, call?.id);
  }

  /** The client's request that a message belongs to which came with this request of ours. */
  idOf(upstreamId: RequestId | undefined): RequestId | undefined {
    return this.#calls.byUpstreamId(upstreamId)?.id;
  }

  #answered(call: Call, frame: Frame): Wait {
    const answer = this.#translate(call, frame);
    if (answer instanceof RunError) return this.#finish(call, faultAnswer(call, answer));
    if (answer.kind === 'answer') return this.#finish(call, this.#answerTo(call, answer.outcome, frame));
    this.#calls.move(call, undefined);
    call.progress.nextRound();
    return this.#inputRequired(call, answer.result);
  }

  #translate(call: Call, frame: Frame): LegacyAnswer | RunError {
    try {
      return legacyAnswer(this.#options.server, call.request.method, frame);
    } catch (error) {
      return toRunError(error);
    }
  }

  /** @param frame the server's answer, or a failure of ours in its place */
  #answerTo(call: Call, outcome: Member, frame: Frame): Frame {
    const own = forParent(frame);
    const answer = answerFrame(call, outcome);
    if (own === frame) return answer;
    return withParentView(answer, () => {
      const whole = this.#translate(call, own);
      return 'outcome' in whole ? answerFrame(call, whole.outcome) : answer;
    });
  }

  #inputRequired(call: Call, result: readonly Member[]): Wait {
    try {
      return this.#input.required(call, result);
    } catch (error) {
      // A message that can be parsed can be nested too deeply to be written again.
      const { server } = this.#options;
      const { method } = call.request;
      return this.#fail(call, new RunError('MALFORMED_ANSWER', { server, method }, { cause: error }));
    }
  }

  #fail(call: Call, error: RunError): Wait {
    this.#options.log.info(
      { event: 'input.failed', method: call.request.method, reason: error.code.toLowerCase() },
      error.message,
    );
    return this.#finish(call, failureAnswer(call, error), error.publicMessage);
  }

  #finish(call: Call, answer: Frame, reason = 'the call has ended'): Wait {
    if (!this.#calls.end(call)) return undefined;
    // Open requests to the client are cancelled before the answer ends the stream that they were sent on.
    return all([this.#input.end(call, reason), this.#options.toClient(answer, call.id)]);
  }

  clear(): void {
    this.#input.clear();
    this.#clientRequests.clear();
    this.#calls.clear();
  }
}
