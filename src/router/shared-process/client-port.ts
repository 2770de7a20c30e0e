import { toRunError, type RunError } from '../../errors.ts';
import { faultFrame } from '../../protocol/fault.ts';
import type { Frame } from '../../protocol/frame.ts';
import { isRequestId, type RequestId } from '../../protocol/request-id.ts';
import { TransientMap } from '../../protocol/transient-map.ts';
import type { Era, Link, PeerSupport } from '../../link/link.ts';
import { CHILD } from '../../link/principal.ts';
import type { InFlightRequest } from './in-flight-request.ts';
import type { SendBufferLimit } from './send-buffer-limit.ts';

type FrameHandler = (frame: Frame) => void | Promise<void>;
type CloseHandler = (error?: Error) => void;

const SUPPORTS: PeerSupport = { notifications: true, requests: true };
/** Of all ports: a port that is closed leaves nothing to wait for. */
const CLOSED = Promise.resolve();
const NO_CALLS: readonly InFlightRequest[] = [];
const ignore = (): void => {};

export interface ClientPortOptions {
  /** Of the client that uses the port; empty where the server does not tell them apart. */
  readonly principalId: string;
  /** What the clients of the server leave unread counts here. */
  readonly unread: SendBufferLimit;
  /** The reason that a client which leaves is given; one for all, since a stack trace costs more than a short stay. */
  readonly closed: RunError;
}

/**
 * One client of a server that several clients share: the client's end is a link, the server's end are `deliver` and `end`.
 *
 * A class with plain fields, since there may be one for every request.
 */
export abstract class ClientPort implements Link {
  readonly peer = 'server';
  /** Of the client. */
  abstract readonly era: Era;
  readonly principal = CHILD;
  /** Of the client. */
  readonly principalId: string;
  readonly supports = SUPPORTS;
  /** In the `PortSet` that the port is in. */
  place = -1;
  readonly #limit: SendBufferLimit;
  readonly #closed: RunError;
  #onframe: FrameHandler = ignore;
  #onclose: CloseHandler = ignore;
  #isOpen = true;
  #unread = 0;
  /** Most ports have one request in flight: the map is made for the second. */
  #call: InFlightRequest | undefined;
  #otherCalls: TransientMap<RequestId, InFlightRequest> | undefined;

  constructor({ principalId, unread, closed }: ClientPortOptions) {
    this.principalId = principalId;
    this.#limit = unread;
    this.#closed = closed;
  }

  /** Takes a message of the client. @throws what is wrong with it, for its sender alone */
  protected abstract fromClient(frame: Frame): void | Promise<void>;

  /** The client has left; called once. */
  protected abstract onLeave(): void;

  /** False once the client has left. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Bytes that were sent to the client and that it has not taken. */
  get unread(): number {
    return this.#unread;
  }

  // The client's end

  send(frame: Frame): void | Promise<void> {
    try {
      return this.fromClient(frame)?.catch((error: unknown) => this.#reject(frame, error));
    } catch (error) {
      return this.#reject(frame, error);
    }
  }

  onframe(handler: FrameHandler): void {
    this.#onframe = handler;
  }

  onend(): void {}

  onclose(handler: CloseHandler): void {
    this.#onclose = handler;
  }

  abandonResponse(): void {}

  close(): Promise<void> {
    this.end(this.#closed);
    return CLOSED;
  }

  // The server's end

  /** A client that does not read holds up no other client: what it leaves unread is counted. */
  deliver(frame: Frame): void {
    if (!this.#isOpen) return;
    const wait = this.#onframe(frame);
    if (wait !== undefined) this.#countUntil(wait, frame.bytes.length);
  }

  end(reason: RunError): void {
    if (!this.#isOpen) return;
    if (this.#unread > 0) this.#count(-this.#unread);
    this.#isOpen = false;
    this.onLeave();
    this.#onclose(reason);
  }

  // Requests in flight

  get hasCalls(): boolean {
    return this.#call !== undefined || (this.#otherCalls !== undefined && this.#otherCalls.size > 0);
  }

  findCall(id: unknown): InFlightRequest | undefined {
    if (this.#call?.id === id) return this.#call;
    return isRequestId(id) ? this.#otherCalls?.get(id) : undefined;
  }

  addCall(call: InFlightRequest): void {
    if (this.#call === undefined) {
      this.#call = call;
      return;
    }
    this.#otherCalls ??= new TransientMap();
    this.#otherCalls.set(call.id, call);
  }

  removeCall(call: InFlightRequest): void {
    if (this.#call === call) this.#call = undefined;
    else this.#otherCalls?.delete(call.id);
  }

  /** Oldest first. */
  calls(): readonly InFlightRequest[] {
    const others = this.#otherCalls?.values() ?? NO_CALLS;
    const all = this.#call === undefined ? [...others] : [this.#call, ...others];
    // The one that is kept apart may be younger than the others.
    return all.toSorted((a, b) => a.number - b.number);
  }

  #reject({ kind, id }: Frame, error: unknown): void {
    if (kind === 'request') this.deliver(faultFrame(toRunError(error), id));
  }

  #countUntil(wait: Promise<void>, bytes: number): void {
    this.#count(bytes);
    void wait.then(() => this.#count(-bytes));
  }

  #count(bytes: number): void {
    if (!this.#isOpen) return;
    this.#unread += bytes;
    this.#limit.count(this, bytes);
  }
}
