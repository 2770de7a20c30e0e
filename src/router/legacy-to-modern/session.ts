import type { Clock } from '../../clock.ts';
import type { Log } from '../../observe/log.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import type { Call } from './call.ts';
import type { Client } from './client.ts';
import { Forwarding } from './forwarding.ts';
import { FromClient } from './from-client.ts';
import { FromServer } from './from-server.ts';
import type { InitializeAnswer } from './initialize.ts';
import type { Outgoing } from './outgoing.ts';
import { Subscriptions } from './subscriptions.ts';

type Wait = void | Promise<void>;

export interface SessionOptions {
  /** Name of the server, for errors. */
  readonly server: string;
  readonly client: Client;
  readonly initialized: InitializeAnswer;
  readonly outgoing: Outgoing;
  readonly toServer: (frame: Frame) => Wait;
  readonly toClient: (frame: Frame, relatedRequestId?: RequestId) => Wait;
  readonly clock: Clock;
  readonly log: Log;
}

/** A legacy client past its `initialize`, and the modern server that it is connected to. */
export class Session {
  readonly #forwarding: Forwarding;
  readonly #subscriptions: Subscriptions;
  readonly #fromClient: FromClient;
  readonly #fromServer: FromServer;

  constructor(options: SessionOptions) {
    const { capabilities, revision } = options.initialized;
    const forwarding = new Forwarding({ ...options, revision });
    const subscriptions = new Subscriptions({ ...options, capabilities });
    this.#forwarding = forwarding;
    this.#subscriptions = subscriptions;
    this.#fromClient = new FromClient({ ...options, capabilities, forwarding, subscriptions });
    this.#fromServer = new FromServer({ ...options, forwarding, subscriptions });
  }

  request(call: Call, frame: Frame): Wait {
    return this.#fromClient.request(call, frame);
  }

  /** Anything but a request. */
  fromClient(frame: Frame): Wait {
    return frame.kind === 'response' ? this.#forwarding.reply(frame) : this.#fromClient.notification(frame);
  }

  /** Anything but an answer. @param relatedRequestId our request that it came with, where the transport tells */
  fromServer(frame: Frame, relatedRequestId: RequestId | undefined): Wait {
    return frame.kind === 'request'
      ? this.#fromServer.request(frame)
      : this.#fromServer.notification(frame, relatedRequestId);
  }

  clear(): void {
    this.#forwarding.clear();
    this.#subscriptions.clear();
  }
}
