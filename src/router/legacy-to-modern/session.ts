import { RunError, toRunError } from '../../errors.ts';
import { isJson } from '../../era/json.ts';
import { wants, withoutSubscriptionId } from '../../era/listen.ts';
import type { Log } from '../../observe/log.ts';
import { asBuffer } from '../../protocol/bytes.ts';
import { LOG_LEVELS, META } from '../../protocol/constants.ts';
import { frameOf, type Frame, type RequestId } from '../../protocol/frame.ts';
import { answerFrame, faultAnswer, type Call } from './call.ts';
import type { Client } from './client.ts';
import { createForwarding } from './forwarding.ts';
import type { InitializeAnswer } from './initialize.ts';
import { createSubscriptions } from './subscriptions.ts';
import { member } from '../../protocol/json-object.ts';
import type { Outgoing } from './outgoing.ts';
import { listenRequest } from './request.ts';

type Wait = void | Promise<void>;

export interface SessionOptions {
  /** Name of the server, for errors. */
  readonly server: string;
  readonly client: Client;
  readonly introduction: InitializeAnswer;
  readonly outgoing: Outgoing;
  readonly toServer: (frame: Frame) => Wait;
  readonly toClient: (frame: Frame, relatedRequestId?: RequestId) => Wait;
  readonly log: Log;
}

/** A legacy client past its `initialize`, and the modern server that it talks to. */
export interface Session {
  request(call: Call, frame: Frame): Wait;
  /** Anything but a request. */
  fromClient(frame: Frame): Wait;
  /** Anything but an answer. @param relatedRequestId our request that it came with, where the transport tells */
  fromServer(frame: Frame, relatedRequestId: RequestId | undefined): Wait;
  clear(): void;
}

/** Methods of the other era, and tasks, which both have and neither understands of the other. */
const FOREIGN = /^(?:server\/discover|subscriptions\/listen|tasks\/.*)$/;
const SUBSCRIPTION_ID = Buffer.from(META.subscriptionId);

export function createSession(options: SessionOptions): Session {
  const { server, client, introduction, outgoing, toClient, log } = options;
  const { capabilities } = introduction;
  const forwarding = createForwarding({ ...options, revision: introduction.revision });
  const listening = createSubscriptions({
    server,
    capabilities,
    open: (filter, begun, ended) =>
      void outgoing.send((id) => {
        begun(id);
        return listenRequest(id, client.envelope, filter);
      }, ended),
    cancel: (id) => void outgoing.cancel(id),
    log,
  });

  return {
    request,
    fromClient: (frame) => (frame.kind === 'response' ? forwarding.reply(frame) : notification(frame)),
    fromServer,
    clear() {
      forwarding.clear();
      listening.clear();
    },
  };

  // From the client

  function request(call: Call, frame: Frame): Wait {
    const { method } = call.request;
    switch (method) {
      case 'initialize':
        return fail(call, new RunError('ALREADY_INITIALIZED'));
      case 'logging/setLevel':
        return setLevel(call, frame.message.params?.['level']);
      case 'resources/subscribe':
      case 'resources/unsubscribe':
        return subscription(call, frame.message.params?.['uri']);
      default:
        return FOREIGN.test(method) ? fail(call, notFound(method)) : forwarding.start(call);
    }
  }

  function setLevel(call: Call, level: unknown): Wait {
    if (!('logging' in capabilities)) return fail(call, notFound(call.request.method));
    const known = LOG_LEVELS.find((name) => name === level);
    if (known === undefined) return fail(call, new RunError('INVALID_PARAMS', { detail: 'unknown "level"' }));
    client.level = known;
    return done(call);
  }

  function subscription(call: Call, uri: unknown): Wait {
    const { method } = call.request;
    const { resources } = capabilities;
    if (!isJson(resources) || resources['subscribe'] !== true) return fail(call, notFound(method));
    if (typeof uri !== 'string')
      return fail(call, new RunError('INVALID_PARAMS', { detail: '"uri" is not a string' }));
    if (method === 'resources/subscribe') {
      return listening.subscribe(
        uri,
        (refusal) => void (refusal === undefined ? done(call) : fail(call, refusal)),
      );
    }
    listening.unsubscribe(uri);
    return done(call);
  }

  function notification(frame: Frame): Wait {
    switch (frame.method) {
      case 'notifications/initialized':
        return listening.start();
      case 'notifications/cancelled': {
        const { requestId, reason } = frame.message.params ?? {};
        return forwarding.cancel(requestId, typeof reason === 'string' ? reason : undefined);
      }
      // The server is told with every request, and asks anew with every call.
      case 'notifications/roots/list_changed':
      // Of a question: the server has none open, and waits for the answer only.
      case 'notifications/progress':
        return undefined;
      default:
        return options.toServer(frame);
    }
  }

  function done(call: Call): Wait {
    return toClient(answerFrame(call, member('result', {})), call.id);
  }

  function fail(call: Call, error: RunError): Wait {
    return toClient(faultAnswer(call, error), call.id);
  }

  // From the server

  function fromServer(frame: Frame, relatedRequestId: RequestId | undefined): Wait {
    if (frame.kind === 'request') return refuse(frame);
    try {
      return notified(frame, relatedRequestId);
    } catch (error) {
      const { message } = toRunError(error);
      log.warn(
        { event: 'server.notification-dropped', method: frame.method },
        `a notification was dropped: ${message}`,
      );
      return undefined;
    }
  }

  /** It may not, and by its revision there is no way to answer (2026-07-28, basic/transports/stdio). */
  function refuse({ method }: Frame): void {
    log.warn(
      { event: 'server.request-dropped', method },
      `the server sent a request (${method}), which its revision of MCP does not have: dropped`,
    );
  }

  function notified(frame: Frame, relatedRequestId: RequestId | undefined): Wait {
    switch (frame.method) {
      case 'notifications/progress':
        return forwarding.progressed(frame);
      case 'notifications/subscriptions/acknowledged':
        return listening.acknowledged(subscriptionIdOf(frame), frame.message.params ?? {});
      case 'notifications/cancelled': {
        const id = frame.message.params?.['requestId'];
        if (listening.cancelled(id)) outgoing.take(id);
        return undefined;
      }
      default:
        return asBuffer(frame.bytes).includes(SUBSCRIPTION_ID) || isChange(frame)
          ? changed(frame)
          : toClient(frame, forwarding.idOf(relatedRequestId));
    }
  }

  function changed(frame: Frame): Wait {
    const filter = listening.wanted(subscriptionIdOf(frame));
    if (filter === undefined || (isChange(frame) && !wants(filter, frame.message))) return undefined;
    return toClient(frameOf(withoutSubscriptionId(frame.message)));
  }
}

function subscriptionIdOf(frame: Frame): unknown {
  const meta = frame.message.params?.['_meta'];
  return isJson(meta) ? meta[META.subscriptionId] : undefined;
}

function isChange({ method = '' }: Frame): boolean {
  return method.endsWith('/list_changed') || method === 'notifications/resources/updated';
}

function notFound(method: string): RunError {
  return new RunError('METHOD_NOT_FOUND', { method, why: '' });
}
