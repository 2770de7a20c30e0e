import { RunError } from '../../errors.ts';
import {
  acknowledgement,
  honouredFilter,
  isEmptyFilter,
  listenResult,
  stamped,
  wants,
  type Filter,
} from '../../era/listen.ts';
import { jsonOf, type Json } from '../../era/json.ts';
import { faultFrame } from '../../protocol/fault.ts';
import { frameOf, type JsonRpcMessage } from '../../protocol/frame.ts';
import { Subscriptions } from '../shared-process/subscriptions.ts';
import type { ClientPort } from '../shared-process/client-port.ts';
import { resultAnswer, type RequestIdentity } from './answer.ts';

/** Resources that one stream may subscribe to. */
const MAX_URIS = 256;

/** Subscribes at the process, for all streams at once. */
export interface ResourceSubscriber {
  /** @returns false if the process refuses */
  subscribe(uri: string): Promise<boolean>;
  /** No stream is left for this resource. */
  unsubscribe(uri: string): void;
}

/** A client's `subscriptions/listen` that has not been answered yet. */
interface Stream extends RequestIdentity {
  readonly port: ClientPort;
  filter: Filter;
  /** Its first message is the acknowledgement. */
  isAcknowledged: boolean;
}

/** Notifications that a process of a 2025 revision sends on its own, as subscriptions (2026-07-28, basic/patterns/subscriptions). */
export class SubscriptionStreams {
  readonly #max: number;
  readonly #subscriber: ResourceSubscriber;
  readonly #streams = new Set<Stream>();
  readonly #resources = new Subscriptions<Stream>();

  constructor(max: number, subscriber: ResourceSubscriber) {
    this.#max = max;
    this.#subscriber = subscriber;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** @param initializeResult of the process: it says which notifications there are */
  async open(
    port: ClientPort,
    request: RequestIdentity,
    wanted: Filter,
    initializeResult: Json,
  ): Promise<void> {
    const rejection = this.#rejectionReason(wanted);
    if (rejection !== undefined) return port.deliver(faultFrame(rejection, request.id));
    const filter = honouredFilter(wanted, jsonOf(initializeResult['capabilities']));
    const stream: Stream = { ...request, port, filter, isAcknowledged: false };
    this.#streams.add(stream);
    const uris = await Promise.all(filter.resourceSubscriptions.map((uri) => this.#subscribe(stream, uri)));
    if (!this.#streams.has(stream)) return;
    stream.filter = { ...filter, resourceSubscriptions: uris.filter((uri) => uri !== undefined) };
    this.#acknowledge(stream);
    if (isEmptyFilter(stream.filter)) this.#end(stream);
  }

  /** Sends a notification of the process to the streams that have subscribed to it. */
  publish(notification: JsonRpcMessage): void {
    if (this.#streams.size === 0) return;
    for (const stream of this.#receiversOf(notification)) {
      if (stream.isAcknowledged) this.#send(stream, stamped(notification, stream.id));
    }
  }

  /** The client does not wait for a stream any more. @returns whether there is one with this id */
  cancel(port: ClientPort, id: unknown): boolean {
    for (const stream of this.#streams) {
      if (stream.port !== port || stream.id !== id) continue;
      this.#remove(stream);
      return true;
    }
    return false;
  }

  /** A client has left. */
  removeClient(port: ClientPort): void {
    for (const stream of this.#streams) if (stream.port === port) this.#remove(stream);
  }

  /** Ends all streams with a result (graceful closure), so that their clients subscribe anew. */
  endAll(): void {
    for (const stream of this.#streams) this.#end(stream);
  }

  #rejectionReason({ resourceSubscriptions }: Filter): RunError | undefined {
    const max = this.#max;
    if (this.#streams.size >= max) return new RunError('TOO_MANY_LISTENS', { max });
    if (resourceSubscriptions.length <= MAX_URIS) return undefined;
    return new RunError('INVALID_PARAMS', { detail: `more than ${MAX_URIS} resources` });
  }

  /** An update of a resource is for the streams that have named exactly this one, if there are any. */
  #receiversOf(notification: JsonRpcMessage): Iterable<Stream> {
    const uri = notification.params?.['uri'];
    if (notification.method === 'notifications/resources/updated')
      return typeof uri === 'string' ? this.#resources.subscribersOf(uri) : [];
    return [...this.#streams].filter(({ filter }) => wants(filter, notification));
  }

  /** @returns undefined if the process refuses */
  async #subscribe(stream: Stream, uri: string): Promise<string | undefined> {
    const isFirst = !this.#resources.isConfirmed(uri);
    this.#resources.add(uri, stream);
    if (!isFirst) return uri;
    if (await this.#subscriber.subscribe(uri)) {
      this.#resources.confirm(uri);
      return uri;
    }
    this.#resources.remove(uri, stream);
    return undefined;
  }

  #acknowledge(stream: Stream): void {
    stream.isAcknowledged = true;
    this.#send(stream, acknowledgement(stream.id, stream.filter));
  }

  #end(stream: Stream): void {
    if (!stream.isAcknowledged) {
      stream.filter = { ...stream.filter, resourceSubscriptions: [] };
      this.#acknowledge(stream);
    }
    this.#remove(stream);
    stream.port.deliver(resultAnswer(stream, listenResult(stream.id, undefined)));
  }

  #remove(stream: Stream): void {
    this.#streams.delete(stream);
    for (const uri of this.#resources.removeAll(stream)) this.#subscriber.unsubscribe(uri);
  }

  #send({ port }: Stream, message: JsonRpcMessage): void {
    port.deliver(frameOf(message));
  }
}
