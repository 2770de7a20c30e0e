import {
  Agent,
  request as requestByHttp,
  type ClientRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import type * as Https from 'node:https';
import type { LookupFunction, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions } from 'node:tls';
import type { Clock } from '../../clock.ts';
import type { CallController, CallOptions, HttpCall, HttpDispatcher } from './http-call.ts';

export interface NodeHttpOptions {
  /** Where all calls go. */
  readonly origin: URL;
  readonly tls: SecureContextOptions;
  /** In place of the system's name resolution. */
  readonly lookup?: LookupFunction | undefined;
  readonly connectMs: number;
  /** How long a connection that nothing uses stays open, unless the server says less. */
  readonly keepAliveMs: number;
  readonly clock: Clock;
}

/** One request on its connection. */
class NodeHttpRequest implements CallController {
  readonly #sent: ClientRequest;
  readonly #call: HttpCall;
  #response: IncomingMessage | undefined;

  constructor(sent: ClientRequest, call: HttpCall) {
    this.#sent = sent;
    this.#call = call;
  }

  send(body: Uint8Array | undefined): void {
    const sent = this.#sent;
    // The limit is on their size; fields behind this number would be dropped in silence.
    sent.maxHeadersCount = 0;
    sent.on('response', (incoming) => this.#onResponse(incoming));
    sent.on('upgrade', (_incoming, socket) => this.#onSwitched(socket));
    sent.on('error', (error) => this.#call.onResponseError(this, error));
    this.#call.onRequestStart(this);
    sent.end(body);
  }

  abort(reason: Error): void {
    this.#sent.destroy(reason);
  }

  pause(): void {
    this.#response?.pause();
  }

  resume(): void {
    this.#response?.resume();
  }

  #onResponse(incoming: IncomingMessage): void {
    const call = this.#call;
    const { statusCode = 0 } = incoming;
    this.#response = incoming;
    if (statusCode < 200) return this.#onSwitched(incoming.socket);
    // `headers` would join some of the lines, and drop others.
    call.onResponseStart(this, statusCode, incoming.headersDistinct);
    incoming.on('data', (chunk: Buffer) => call.onResponseData(this, chunk));
    incoming.on('end', () => call.onResponseEnd());
    incoming.on('error', (error) => call.onResponseError(this, error));
  }

  /** The status says that no answer follows, at least not in HTTP. */
  #onSwitched(socket: Duplex): void {
    socket.destroy();
    this.#call.onResponseError(this, new Error('the server switched to another protocol'));
  }
}

/** Connections without a proxy, by Node's own client: it has an answer when undici would still be loading. */
export class NodeHttpDispatcher implements HttpDispatcher {
  readonly #request: typeof requestByHttp;
  readonly #common: RequestOptions;
  /** The event of a socket that is connected. */
  readonly #connected: 'connect' | 'secureConnect';
  readonly #connectMs: number;
  readonly #clock: Clock;
  #hasContinued = false;

  private constructor(options: NodeHttpOptions, https: typeof Https | undefined) {
    const { origin, tls, lookup, connectMs, keepAliveMs, clock } = options;
    const keeping = { keepAlive: true, timeout: keepAliveMs };
    this.#request = https?.request ?? requestByHttp;
    this.#connected = https === undefined ? 'connect' : 'secureConnect';
    this.#connectMs = connectMs;
    this.#clock = clock;
    this.#common = {
      agent: https === undefined ? new Agent(keeping) : new https.Agent({ ...keeping, ...tls }),
      // Brackets belong to URLs.
      hostname: origin.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: origin.port,
      ...(lookup !== undefined && { lookup }),
    };
  }

  static async open(options: NodeHttpOptions): Promise<NodeHttpDispatcher> {
    const isHttps = options.origin.protocol === 'https:';
    return new NodeHttpDispatcher(options, isHttps ? await import('node:https') : undefined);
  }

  /** The server has sent status 100 unasked, as it may (RFC 9110, section 15.2); undici takes that for an error. */
  get hasContinued(): boolean {
    return this.#hasContinued;
  }

  dispatch({ path, method, headers, body }: CallOptions, call: HttpCall): void {
    const sent = this.#request({ ...this.#common, path, method, headers });
    sent.on('socket', (socket) => {
      if (socket.connecting) this.#limitConnect(socket);
    });
    sent.once('continue', () => {
      this.#hasContinued = true;
    });
    new NodeHttpRequest(sent, call).send(body);
  }

  #limitConnect(socket: Socket): void {
    const late = (): void => {
      socket.destroy(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' }));
    };
    const stop = this.#clock.after(this.#connectMs, late, true);
    socket.once(this.#connected, stop).once('close', stop);
  }
}
