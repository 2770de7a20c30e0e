import { RunError, toRunError } from '../../errors.ts';
import type { Json } from '../../era/json.ts';
import type { Log } from '../../observe/log.ts';
import { faultFrame } from '../../protocol/fault.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import type { Link } from '../../link/link.ts';
import { UnmatchedAnswers } from '../unmatched-answers.ts';
import { answerFrame, createCall, faultAnswer, type Call } from './call.ts';
import { createClient } from './client.ts';
import { initializeAnswer, readDiscovered } from './initialize.ts';
import { member } from '../../protocol/json-object.ts';
import { Outgoing } from './outgoing.ts';
import { discoverRequest } from './request.ts';
import { createSession, type Session } from './session.ts';

type Wait = void | Promise<void>;

export interface FacadeOptions {
  /** Name of the server, for errors, and for its client if it does not say who it is. */
  readonly server: string;
  /** Its answer to `server/discover`, if it has been asked before. */
  readonly discovered?: Json;
  /** Whether the client can be asked something now; if not, the server is told of no such capability. */
  readonly canAsk?: () => boolean;
  readonly log: Log;
}

/**
 * A server of revision 2026-07-28 as one client of the legacy revisions sees it: it is introduced by what it says of
 * itself, is told with every request what the client has said once, and its wishes for input become requests.
 */
export function presentAsLegacy(server: Link, options: FacadeOptions): Link {
  const { server: name, log, canAsk = () => true } = options;
  const unmatched = new UnmatchedAnswers(log);
  const outgoing = new Outgoing(server, (id) => unmatched.abandoned(id));
  let session: Session | undefined;
  /** Until it is known who the server is. */
  let introducing: Promise<void> | undefined;
  let introduced: () => void = () => {};
  let isClosed = false;
  let onframe: (frame: Frame, relatedRequestId?: RequestId) => Wait = () => {};

  return {
    peer: 'server',
    era: 'legacy',
    principal: server.principal,
    get supports() {
      return server.supports;
    },
    send: fromClient,
    onframe(handler) {
      onframe = handler;
      server.onframe(fromServer);
    },
    onend: (handler) => server.onend(handler),
    onclose(handler) {
      server.onclose((error) => {
        release();
        handler(error);
      });
    },
    abandonResponse() {},
    close(reason) {
      release();
      return server.close(reason);
    },
  };

  function toServer(frame: Frame): Wait {
    return server.send(frame);
  }

  function toClient(frame: Frame, relatedRequestId?: RequestId): Wait {
    return onframe(frame, relatedRequestId);
  }

  function fromClient(frame: Frame): Wait {
    if (isClosed) return undefined;
    // Some clients go on before they have the answer to `initialize`.
    if (introducing !== undefined && frame.method !== 'ping')
      return introducing.then(() => fromClient(frame));
    try {
      if (frame.kind === 'request' && frame.id !== undefined) return request(frame, frame.id);
      return session?.fromClient(frame);
    } catch (error) {
      // It was accepted, so it has to be answered.
      return frame.kind === 'request' ? toClient(faultFrame(toRunError(error), frame.id)) : undefined;
    }
  }

  function request(frame: Frame, id: RequestId): Wait {
    const call = createCall(frame, id);
    if (frame.method === 'ping') return toClient(answerFrame(call, member('result', {})), id);
    if (session !== undefined) return session.request(call, frame);
    if (frame.method === 'initialize') return initialize(call, frame.message.params ?? {});
    return toClient(faultAnswer(call, new RunError('NOT_INITIALIZED', { method: call.request.method })), id);
  }

  function fromServer(frame: Frame, relatedRequestId?: RequestId): Wait {
    if (frame.kind !== 'response') return session?.fromServer(frame, relatedRequestId);
    const answered = outgoing.take(frame.id);
    if (answered !== undefined) return answered(frame);
    unmatched.report(frame);
    return undefined;
  }

  function initialize(call: Call, params: Json): Wait {
    const { discovered } = options;
    if (discovered !== undefined) return greet(call, params, () => discovered);
    introducing = new Promise((resolve) => (introduced = resolve));
    const { envelope } = createClient(params, canAsk);
    return outgoing.send(
      (id) => discoverRequest(id, envelope),
      (answer) => {
        const wait = greet(call, params, () => readDiscovered(name, answer));
        goOn();
        return wait;
      },
    );
  }

  function greet(call: Call, params: Json, discovered: () => Json): Wait {
    try {
      const introduction = initializeAnswer(name, discovered(), params['protocolVersion']);
      const client = createClient(params, canAsk);
      session = createSession({ server: name, client, introduction, outgoing, toServer, toClient, log });
      return toClient(answerFrame(call, member('result', introduction.result)), call.id);
    } catch (error) {
      return toClient(faultAnswer(call, toRunError(error)), call.id);
    }
  }

  function goOn(): void {
    introducing = undefined;
    introduced();
  }

  function release(): void {
    isClosed = true;
    outgoing.clear();
    session?.clear();
    goOn();
  }
}
