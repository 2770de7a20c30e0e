import { RunError } from '../../errors.ts';
import { isJson, type Json } from '../../era/json.ts';
import { LOG_LEVELS } from '../../protocol/constants.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import { member } from '../../protocol/json-object.ts';
import { answerFrame, faultAnswer, type Call } from './call.ts';
import type { Client } from './client.ts';
import type { Forwarding } from './forwarding.ts';
import type { Subscriptions } from './subscriptions.ts';

type Wait = void | Promise<void>;

export interface FromClientOptions {
  /** Of the server, as its client knows them. */
  readonly capabilities: Json;
  readonly client: Client;
  readonly forwarding: Forwarding;
  readonly subscriptions: Subscriptions;
  readonly toServer: (frame: Frame) => Wait;
  readonly toClient: (frame: Frame, relatedRequestId?: RequestId) => Wait;
}

/** Methods of the other era, and tasks, which both have and neither understands of the other. */
const FOREIGN = /^(?:server\/discover|subscriptions\/listen|tasks\/.*)$/;

/** The messages of a legacy client past its `initialize`. */
export class FromClient {
  readonly #options: FromClientOptions;

  constructor(options: FromClientOptions) {
    this.#options = options;
  }

  request(call: Call, frame: Frame): Wait {
    const { method } = call.request;
    switch (method) {
      case 'initialize':
        return this.#reject(call, new RunError('ALREADY_INITIALIZED'));
      case 'logging/setLevel':
        return this.#setLevel(call, frame.message.params?.['level']);
      case 'resources/subscribe':
        return this.#subscribe(call, frame.message.params?.['uri']);
      case 'resources/unsubscribe':
        return this.#unsubscribe(call, frame.message.params?.['uri']);
      default:
        return FOREIGN.test(method)
          ? this.#reject(call, notFound(method))
          : this.#options.forwarding.start(call);
    }
  }

  notification(frame: Frame): Wait {
    switch (frame.method) {
      case 'notifications/initialized':
        return this.#options.subscriptions.start();
      case 'notifications/cancelled': {
        const { requestId, reason } = frame.message.params ?? {};
        return this.#options.forwarding.cancel(requestId, typeof reason === 'string' ? reason : undefined);
      }
      // The server gets the roots with every request, and requires them anew with every call.
      case 'notifications/roots/list_changed':
      // Of a request to the client: the server has none open, and waits for the answer only.
      case 'notifications/progress':
        return undefined;
      default:
        return this.#options.toServer(frame);
    }
  }

  #setLevel(call: Call, level: unknown): Wait {
    const { capabilities, client } = this.#options;
    if (!('logging' in capabilities)) return this.#reject(call, notFound(call.request.method));
    const known = LOG_LEVELS.find((name) => name === level);
    if (known === undefined)
      return this.#reject(call, new RunError('INVALID_PARAMS', { detail: 'unknown "level"' }));
    client.level = known;
    return this.#accept(call);
  }

  #subscribe(call: Call, uri: unknown): Wait {
    const fault = this.#subscriptionFault(call, uri);
    if (fault !== undefined) return this.#reject(call, fault);
    this.#options.subscriptions.subscribe(String(uri), (refusal) => {
      void (refusal === undefined ? this.#accept(call) : this.#reject(call, refusal));
    });
  }

  #unsubscribe(call: Call, uri: unknown): Wait {
    const fault = this.#subscriptionFault(call, uri);
    if (fault !== undefined) return this.#reject(call, fault);
    this.#options.subscriptions.unsubscribe(String(uri));
    return this.#accept(call);
  }

  #subscriptionFault(call: Call, uri: unknown): RunError | undefined {
    const { resources } = this.#options.capabilities;
    if (!isJson(resources) || resources['subscribe'] !== true) return notFound(call.request.method);
    return typeof uri === 'string'
      ? undefined
      : new RunError('INVALID_PARAMS', { detail: '"uri" is not a string' });
  }

  #accept(call: Call): Wait {
    return this.#options.toClient(answerFrame(call, member('result', {})), call.id);
  }

  #reject(call: Call, error: RunError): Wait {
    return this.#options.toClient(faultAnswer(call, error), call.id);
  }
}

function notFound(method: string): RunError {
  return new RunError('METHOD_NOT_FOUND', { method, why: '' });
}
