import { Agent, request as requestByHttp, type IncomingMessage, type RequestOptions } from 'node:http';
import type { LookupFunction, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions } from 'node:tls';
import type { CallController, CallOptions, HttpCall, HttpDispatcher } from './http-call.ts';

export interface DirectOptions {
  /** Where all calls go. */
  readonly origin: URL;
  readonly tls: SecureContextOptions;
  /** In place of the system's name resolution. */
  readonly lookup?: LookupFunction | undefined;
  readonly connectMs: number;
  /** How long a connection that nothing uses stays open, unless the server says less. */
  readonly keepAliveMs: number;
}

export interface DirectDispatcher extends HttpDispatcher {
  /** The server has sent status 100 unasked, as it may (RFC 9110, section 15.2); undici takes that for an error. */
  readonly hasContinued: boolean;
}

/** Connections without a proxy, by Node's own client: it has an answer when undici would still be loading. */
export async function createDirectDispatcher(options: DirectOptions): Promise<DirectDispatcher> {
  const { origin, tls, lookup, connectMs, keepAliveMs } = options;
  const keeping = { keepAlive: true, timeout: keepAliveMs };
  const https = origin.protocol === 'https:' ? await import('node:https') : undefined;
  const request = https?.request ?? requestByHttp;
  const common: RequestOptions = {
    agent: https === undefined ? new Agent(keeping) : new https.Agent({ ...keeping, ...tls }),
    // Brackets belong to URLs.
    hostname: origin.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: origin.port,
    ...(lookup !== undefined && { lookup }),
  };
  const connected = https === undefined ? 'connect' : 'secureConnect';

  let hasContinued = false;

  return {
    get hasContinued() {
      return hasContinued;
    },
    dispatch({ path, method, headers, body }: CallOptions, call: HttpCall): void {
      let response: IncomingMessage | undefined;
      const sent = request({ ...common, path, method, headers });
      // The limit is on their size; fields behind this number would be dropped in silence.
      sent.maxHeadersCount = 0;
      const controller: CallController = {
        abort: (reason) => void sent.destroy(reason),
        pause: () => void response?.pause(),
        resume: () => void response?.resume(),
      };
      sent.on('socket', (socket) => {
        if (socket.connecting) limitConnect(socket);
      });
      sent.on('response', (incoming) => {
        response = incoming;
        const { statusCode = 0 } = incoming;
        if (statusCode < 200) return switched(incoming.socket);
        // `headers` would join some of the lines, and drop others.
        call.onResponseStart(controller, statusCode, incoming.headersDistinct);
        incoming.on('data', (chunk: Buffer) => call.onResponseData(controller, chunk));
        incoming.on('end', () => call.onResponseEnd());
        incoming.on('error', (error) => call.onResponseError(controller, error));
      });
      sent.once('continue', () => (hasContinued = true));
      sent.on('upgrade', (_incoming, socket) => switched(socket));
      sent.on('error', (error) => call.onResponseError(controller, error));
      call.onRequestStart(controller);
      sent.end(body);

      /** The status says that no answer follows, at least not in HTTP. */
      function switched(socket: Duplex): void {
        socket.destroy();
        call.onResponseError(controller, new Error('the server switched to another protocol'));
      }
    },
  };

  function limitConnect(socket: Socket): void {
    const timer = setTimeout(() => {
      socket.destroy(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' }));
    }, connectMs);
    const stop = (): void => clearTimeout(timer);
    socket.once(connected, stop).once('close', stop);
  }
}
