import { toRunError } from '../../errors.ts';
import { isJson } from '../../era/json.ts';
import { wants, withoutSubscriptionId } from '../../era/listen.ts';
import type { Log } from '../../observe/log.ts';
import { asBuffer } from '../../protocol/bytes.ts';
import { META } from '../../protocol/constants.ts';
import { frameOf, type Frame, type RequestId } from '../../protocol/frame.ts';
import type { Forwarding } from './forwarding.ts';
import type { Outgoing } from './outgoing.ts';
import type { Subscriptions } from './subscriptions.ts';

type Wait = void | Promise<void>;

export interface FromServerOptions {
  readonly forwarding: Forwarding;
  readonly subscriptions: Subscriptions;
  readonly outgoing: Outgoing;
  readonly toClient: (frame: Frame, relatedRequestId?: RequestId) => Wait;
  readonly log: Log;
}

const SUBSCRIPTION_ID = Buffer.from(META.subscriptionId);

/** The messages of a modern server that are no answers. */
export class FromServer {
  readonly #options: FromServerOptions;

  constructor(options: FromServerOptions) {
    this.#options = options;
  }

  /** Servers send no requests, and by their revision there is no way to answer one (2026-07-28, basic/transports/stdio). */
  request({ method }: Frame): void {
    this.#options.log.warn(
      { event: 'server.request-dropped', method },
      `the server sent a request (${method}), which its revision of MCP does not have: dropped`,
    );
  }

  /** @param relatedRequestId our request that it came with, where the transport tells */
  notification(frame: Frame, relatedRequestId: RequestId | undefined): Wait {
    try {
      return this.#notify(frame, relatedRequestId);
    } catch (error) {
      const { message } = toRunError(error);
      this.#options.log.warn(
        { event: 'server.notification-dropped', method: frame.method },
        `a notification was dropped: ${message}`,
      );
      return undefined;
    }
  }

  #notify(frame: Frame, relatedRequestId: RequestId | undefined): Wait {
    const { forwarding, subscriptions, outgoing, toClient } = this.#options;
    switch (frame.method) {
      case 'notifications/progress':
        return forwarding.progressed(frame);
      case 'notifications/subscriptions/acknowledged':
        return subscriptions.acknowledged(subscriptionIdOf(frame), frame.message.params ?? {});
      case 'notifications/cancelled': {
        const id = frame.message.params?.['requestId'];
        if (subscriptions.cancelled(id)) outgoing.take(id);
        return undefined;
      }
      default:
        return asBuffer(frame.bytes).includes(SUBSCRIPTION_ID) || isChange(frame)
          ? this.#changed(frame)
          : toClient(frame, forwarding.idOf(relatedRequestId));
    }
  }

  #changed(frame: Frame): Wait {
    const filter = this.#options.subscriptions.filterFor(subscriptionIdOf(frame));
    if (filter === undefined || (isChange(frame) && !wants(filter, frame.message))) return undefined;
    return this.#options.toClient(frameOf(withoutSubscriptionId(frame.message)));
  }
}

function subscriptionIdOf(frame: Frame): unknown {
  const meta = frame.message.params?.['_meta'];
  return isJson(meta) ? meta[META.subscriptionId] : undefined;
}

function isChange({ method = '' }: Frame): boolean {
  return method.endsWith('/list_changed') || method === 'notifications/resources/updated';
}
