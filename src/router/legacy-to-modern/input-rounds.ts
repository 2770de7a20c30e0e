import type { Clock } from '../../clock.ts';
import { RunError } from '../../errors.ts';
import { all } from '../../link/waits.ts';
import type { Frame } from '../../protocol/frame.ts';
import { membersOfMessage, valueOf, writeObject, type Member } from '../../protocol/json-object.ts';
import type { Call } from './call.ts';
import type { ClientRequest, ClientRequests } from './client-requests.ts';
import type { Client } from './client.ts';
import { readInputRequired, type InputRequired } from './input-required.ts';
import { prepareClientRequest, urlSlotOf } from './prepare.ts';

type Wait = void | Promise<void>;

export interface InputRoundsOptions {
  /** Name of the server, for errors. */
  readonly server: string;
  readonly clientRequests: ClientRequests;
  readonly client: Client;
  /** That the client has initialized with. */
  readonly revision: string;
  readonly clock: Clock;
  /** Sends the request again, with these additional members of `params`. */
  readonly retry: (call: Call, members: readonly Member[]) => Wait;
  /** Answers the call instead of the server, and ends it. */
  readonly fail: (call: Call, error: RunError) => Wait;
}

/** The rounds of one call so far. */
interface Rounds {
  /** Rounds in which the client was to be sent requests. */
  asked: number;
  /** Rounds in a row in which it was not. */
  polls: number;
  /** Its answers about URLs: it gets one request, however often the server looks whether the user is done. */
  readonly visits: Map<string, Visit>;
  /** Ids of requests to the client without an answer. */
  readonly open: Set<string>;
  cancelPoll: () => void;
}

interface Visit {
  /** JSON text. */
  readonly result: Buffer;
  readonly isAccepted: boolean;
}

interface Prepared {
  readonly id: string;
  /** Of the server's. */
  readonly key: string;
  readonly request: ClientRequest;
  /** Under which its answer is kept, if it is about a URL. */
  readonly slot: string | undefined;
}

/** The members of the next request to the server that the first one did not have. */
interface Retry {
  readonly responses: Member[];
  readonly requestState: Buffer | undefined;
}

/** One round: what is known already, and the requests that have to be sent for the rest. */
interface Round {
  readonly retry: Retry;
  readonly prepared: readonly Prepared[];
  /** The user has declined to open a URL that the server insists on. */
  readonly isDeclined: boolean;
}

const MAX_ROUNDS = 8;
/** A server that needs nothing but another request gets it after this time… */
const STATE_PAUSE_MS = 250;
/** …and one that waits for the user to be done elsewhere after this, */
const URL_PAUSE_MS = 1_000;
/** each time after twice as long, up to this. */
const MAX_PAUSE_MS = 5_000;

/** Collects the input that a server requires from a client of the revisions in which servers send requests themselves. */
export class InputRounds {
  readonly #options: InputRoundsOptions;
  readonly #ongoing = new Map<Call, Rounds>();

  constructor(options: InputRoundsOptions) {
    this.#options = options;
  }

  /** The server has answered `call` with `input_required`. */
  required(call: Call, result: readonly Member[]): Wait {
    const required = readInputRequired(result);
    if (typeof required === 'string') {
      const { server } = this.#options;
      const { method } = call.request;
      return this.#options.fail(call, new RunError('NOT_MCP', { server, method, detail: required }));
    }
    const rounds = this.#ongoing.get(call) ?? this.#startRounds(call);
    return this.#nextRound(call, rounds, required);
  }

  /** The call is over, and with it the requests that were sent for it. */
  end(call: Call, reason: string): Wait {
    const rounds = this.#ongoing.get(call);
    if (rounds === undefined) return undefined;
    this.#ongoing.delete(call);
    rounds.cancelPoll();
    return all([...rounds.open].map((id) => this.#options.clientRequests.cancel(id, call.id, reason)));
  }

  clear(): void {
    for (const { cancelPoll } of this.#ongoing.values()) cancelPoll();
    this.#ongoing.clear();
  }

  #startRounds(call: Call): Rounds {
    const rounds: Rounds = { asked: 0, polls: 0, visits: new Map(), open: new Set(), cancelPoll: () => {} };
    this.#ongoing.set(call, rounds);
    return rounds;
  }

  #nextRound(call: Call, rounds: Rounds, required: InputRequired): Wait {
    const { requestState } = required;
    if (required.requests.length === 0)
      return this.#poll(call, rounds, { responses: [], requestState }, STATE_PAUSE_MS);
    const round = this.#prepare(call, rounds, required);
    if (round instanceof RunError) return this.#options.fail(call, round);
    const { prepared, retry, isDeclined } = round;
    const isPoll = prepared.length === 0;
    if (!isPoll || isDeclined) rounds.asked += 1;
    if (rounds.asked > MAX_ROUNDS) {
      const { server } = this.#options;
      const { method } = call.request;
      return this.#options.fail(call, new RunError('INPUT_ENDLESS', { server, method, max: MAX_ROUNDS }));
    }
    return isPoll
      ? this.#poll(call, rounds, retry, URL_PAUSE_MS)
      : this.#sendAll(call, rounds, retry, prepared);
  }

  /** All requests are checked before any of them is sent: no user should fill in a form for a call that fails anyway. */
  #prepare(call: Call, rounds: Rounds, { requests, requestState }: InputRequired): Round | RunError {
    const { method } = call.request;
    const retry: Retry = { responses: [], requestState };
    const prepared: Prepared[] = [];
    let isDeclined = false;
    for (const [key, required] of requests) {
      const slot = urlSlotOf(key, required);
      const visit = slot === undefined ? undefined : rounds.visits.get(slot);
      if (visit !== undefined) {
        retry.responses.push({ key, value: visit.result });
        isDeclined ||= !visit.isAccepted;
        continue;
      }
      const request = prepareClientRequest(required, { ...this.#options, method });
      if (request instanceof RunError) return request;
      prepared.push({ id: this.#options.clientRequests.nextId(), key, request, slot });
    }
    return { retry, prepared, isDeclined };
  }

  #sendAll(call: Call, rounds: Rounds, retry: Retry, prepared: readonly Prepared[]): Wait {
    rounds.polls = 0;
    for (const { id } of prepared) rounds.open.add(id);
    return all(
      prepared.map((one) => {
        // A client that does not support requests has the call fail at the first one.
        if (this.#ongoing.get(call) !== rounds) return undefined;
        return this.#options.clientRequests.send(one.id, one.request, call.id, (answer) => {
          rounds.open.delete(one.id);
          return this.#answered(call, rounds, retry, one, answer);
        });
      }),
    );
  }

  #answered(call: Call, rounds: Rounds, retry: Retry, { key, request, slot }: Prepared, answer: Frame): Wait {
    const { error, result: given } = answer.message;
    if (error !== undefined) {
      const fields = { method: request.method, detail: error.message };
      return this.#options.fail(call, new RunError('INPUT_REFUSED', fields));
    }
    const result = valueOf(membersOfMessage(answer), 'result') ?? Buffer.from('{}');
    retry.responses.push({ key, value: result });
    if (slot !== undefined) rounds.visits.set(slot, { result, isAccepted: given?.['action'] === 'accept' });
    return rounds.open.size > 0 ? undefined : this.#retry(call, retry);
  }

  #poll(call: Call, rounds: Rounds, retry: Retry, firstMs: number): void {
    const ms = Math.min(firstMs * 2 ** rounds.polls, MAX_PAUSE_MS);
    rounds.polls += 1;
    rounds.cancelPoll = this.#options.clock.after(ms, () => void this.#retry(call, retry));
  }

  #retry(call: Call, { responses, requestState }: Retry): Wait {
    const members: Member[] = [];
    if (responses.length > 0) members.push({ key: 'inputResponses', value: writeObject(responses) });
    if (requestState !== undefined) members.push({ key: 'requestState', value: requestState });
    return this.#options.retry(call, members);
  }
}
