import { RunError } from '../../errors.ts';
import type { Frame } from '../../protocol/frame.ts';
import type { Call } from './call.ts';
import type { Client } from './client.ts';
import { readInputRequired, type InputRequired } from './input-required.ts';
import { membersOfMessage, valueOf, writeObject, type Member } from '../../protocol/json-object.ts';
import { prepareClientRequest, urlSlotOf } from './prepare.ts';
import type { ClientRequest, ClientRequests } from './client-requests.ts';
import { all } from '../../link/waits.ts';

export interface InputRoundsOptions {
  /** Name of the server, for errors. */
  readonly server: string;
  readonly questions: ClientRequests;
  readonly client: Client;
  /** That the client has initialized with. */
  readonly revision: string;
  /** Sends the request again, with these members of `params` more. */
  readonly retry: (call: Call, members: readonly Member[]) => void | Promise<void>;
  /** Answers the call instead of the server, and ends it. */
  readonly fail: (call: Call, error: RunError) => void | Promise<void>;
}

/** Gets a server the input that it wants, from a client of the revisions in which servers send requests themselves. */
export interface InputRounds {
  /** The server has answered `call` with `input_required`. */
  required(call: Call, result: readonly Member[]): void | Promise<void>;
  /** The call is over, and with it what was asked for it. */
  end(call: Call, reason: string): void | Promise<void>;
  clear(): void;
}

/** What has been asked for one call. */
interface Rounds {
  /** Rounds in which the client was to be asked. */
  asked: number;
  /** Rounds in a row in which it was not. */
  polls: number;
  /** Its answers about URLs: it is asked once, however often the server looks whether the user is done. */
  readonly visits: Map<string, Visit>;
  /** Ids of questions without an answer. */
  readonly open: Set<string>;
  timer: NodeJS.Timeout | undefined;
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
  readonly question: ClientRequest;
  /** Under which its answer is kept, if it is about a URL. */
  readonly slot: string | undefined;
}

/** What the next request to the server says more than the first one. */
interface Retry {
  readonly responses: Member[];
  readonly requestState: Buffer | undefined;
}

const MAX_ROUNDS = 8;
/** A server that wants nothing but another request gets it after this time… */
const STATE_PAUSE_MS = 250;
/** …and one that waits for what the user does elsewhere after this, */
const URL_PAUSE_MS = 1_000;
/** each time after twice as long, up to this. */
const MAX_PAUSE_MS = 5_000;

export function createInputRounds(options: InputRoundsOptions): InputRounds {
  const { server, questions, fail } = options;
  const ongoing = new Map<Call, Rounds>();

  return {
    required(call, result) {
      const demand = readInputRequired(result);
      const { method } = call.request;
      if (typeof demand === 'string')
        return fail(call, new RunError('NOT_MCP', { server, method, detail: demand }));
      const rounds = ongoing.get(call) ?? startRounds(call);
      return meet(call, rounds, demand);
    },
    end(call, reason) {
      const rounds = ongoing.get(call);
      if (rounds === undefined) return undefined;
      ongoing.delete(call);
      clearTimeout(rounds.timer);
      return all([...rounds.open].map((id) => questions.withdraw(id, call.id, reason)));
    },
    clear() {
      for (const { timer } of ongoing.values()) clearTimeout(timer);
      ongoing.clear();
    },
  };

  function startRounds(call: Call): Rounds {
    const rounds = { asked: 0, polls: 0, visits: new Map(), open: new Set<string>(), timer: undefined };
    ongoing.set(call, rounds);
    return rounds;
  }

  function meet(call: Call, rounds: Rounds, { requests, requestState }: InputRequired): void | Promise<void> {
    const retry: Retry = { responses: [], requestState };
    if (requests.length === 0) return poll(call, rounds, retry, STATE_PAUSE_MS);
    const prepared: Prepared[] = [];
    let isDeclined = false;
    // All of it is looked at before any of it is asked: nobody should fill in a form for a call that fails anyway.
    for (const [key, request] of requests) {
      const slot = urlSlotOf(key, request);
      const visit = slot === undefined ? undefined : rounds.visits.get(slot);
      if (visit !== undefined) {
        retry.responses.push({ key, value: visit.result });
        isDeclined ||= !visit.isAccepted;
        continue;
      }
      const question = prepareClientRequest(request, { ...options, method: call.request.method });
      if (question instanceof RunError) return fail(call, question);
      prepared.push({ id: questions.nextId(), key, question, slot });
    }
    const isPoll = prepared.length === 0;
    if (!isPoll || isDeclined) rounds.asked += 1;
    if (rounds.asked > MAX_ROUNDS) {
      const { method } = call.request;
      return fail(call, new RunError('INPUT_ENDLESS', { server, method, max: MAX_ROUNDS }));
    }
    return isPoll ? poll(call, rounds, retry, URL_PAUSE_MS) : ask(call, rounds, retry, prepared);
  }

  function ask(
    call: Call,
    rounds: Rounds,
    retry: Retry,
    prepared: readonly Prepared[],
  ): void | Promise<void> {
    rounds.polls = 0;
    for (const { id } of prepared) rounds.open.add(id);
    return all(
      prepared.map((one) => {
        // A client that cannot be asked has the call fail at its first question.
        if (ongoing.get(call) !== rounds) return undefined;
        return questions.ask(one.id, one.question, call.id, (answer) => {
          rounds.open.delete(one.id);
          return answered(call, rounds, retry, one, answer);
        });
      }),
    );
  }

  function answered(
    call: Call,
    rounds: Rounds,
    retry: Retry,
    { key, question, slot }: Prepared,
    answer: Frame,
  ): void | Promise<void> {
    const { error, result: given } = answer.message;
    if (error !== undefined) {
      const fields = { method: question.method, detail: error.message };
      return fail(call, new RunError('INPUT_REFUSED', fields));
    }
    const result = valueOf(membersOfMessage(answer), 'result') ?? Buffer.from('{}');
    retry.responses.push({ key, value: result });
    if (slot !== undefined) rounds.visits.set(slot, { result, isAccepted: given?.['action'] === 'accept' });
    return rounds.open.size > 0 ? undefined : again(call, retry);
  }

  function poll(call: Call, rounds: Rounds, retry: Retry, firstMs: number): void {
    const ms = Math.min(firstMs * 2 ** rounds.polls, MAX_PAUSE_MS);
    rounds.polls += 1;
    rounds.timer = setTimeout(() => void again(call, retry), ms);
    rounds.timer.unref();
  }

  function again(call: Call, { responses, requestState }: Retry): void | Promise<void> {
    const members: Member[] = [];
    if (responses.length > 0) members.push({ key: 'inputResponses', value: writeObject(responses) });
    if (requestState !== undefined) members.push({ key: 'requestState', value: requestState });
    return options.retry(call, members);
  }
}
