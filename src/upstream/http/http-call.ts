import type { Clock } from '../../clock.ts';
import { createBrotliDecompress, createGunzip, createInflate, constants, type Zlib } from 'node:zlib';
import type { Transform } from 'node:stream';
import type { Dispatcher } from 'undici';
import { fieldValue } from './field-values.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /**
   * Reads the rejection of a server that is too busy.
   * @returns whether room was made there, so that the request is worth sending again at once
   */
  readonly makeRoom?: (rejection: HttpResponse) => Promise<boolean>;
  /**
   * Whether the body with which a busy server refuses is the answer to the request, which is not sent again then. Without
   * this, the request may be sent again in any case.
   */
  readonly isAnswer?: (body: Buffer) => boolean;
}

/** The way to a server: a dispatcher of undici is one. */
export interface HttpDispatcher {
  /** The call is told about its response, or why there is none. */
  dispatch(options: CallOptions, call: HttpCall): unknown;
}

export interface CallOptions {
  readonly origin: string;
  /** With the query. */
  readonly path: string;
  readonly method: HttpRequest['method'];
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** What a call can do about its request. */
export interface CallController {
  abort(reason: Error): void;
  /** Holds the body of the response back. */
  pause(): void;
  resume(): void;
}

/** Takes the body of a response. */
export interface BodyReader {
  /** A promise holds the rest of the body back. */
  data(chunk: Buffer): void | Promise<void>;
  end(): void;
  failed(error: Error): void;
}

/** A response whose head is there. Its body comes when it is read, decoded. */
export interface HttpResponse {
  readonly status: number;
  /**
   * Repeated lines of a field are merged by `fieldValue`.
   * @param name in lower case
   */
  header(name: string): string | undefined;
  /** Once. */
  read(reader: BodyReader): void;
  /** Resolves when the body has ended, or was aborted. */
  readonly over: Promise<void>;
  /** Drops the rest of the body and its connection; its reader hears nothing more. */
  abort(): void;
}

/** Reading more than that, for nothing, costs more than a new connection. */
const MAX_DISCARDED = 64 * 1024;
const DISCARDED_MS = 1_000;

/** Answers may be streams that stay open, and say nothing, for hours. A proxy's connections have no defaults of ours. */
const UNLIMITED = { bodyTimeout: 0, headersTimeout: 0 };

/** What `accept-encoding` may name. */
export const ENCODINGS = 'gzip, deflate, br';

/** One request, and its response: the dispatcher tells it about both, in the way of undici. */
export class HttpCall implements Dispatcher.DispatchHandler, HttpResponse {
  readonly #settle: (response: HttpResponse | Error) => void;
  #controller: CallController | undefined;
  #isAborted = false;
  #headers: Readonly<Record<string, string | string[] | undefined>> = {};
  #reader: BodyReader | undefined;
  /** What came before there was a reader. */
  #early: Buffer[] = [];
  #outcome: { readonly error: Error | undefined } | undefined;
  #decoder: Transform | undefined;
  /** Reasons to wait before more of the body is passed on. */
  #holds = 0;
  #resolveOver: () => void = () => {};
  status = 0;
  readonly over = new Promise<void>((resolve) => (this.#resolveOver = resolve));

  /** @param settle gets the response when its head is there, or why there is none */
  constructor(settle: (response: HttpResponse | Error) => void) {
    this.#settle = settle;
  }

  start(dispatcher: HttpDispatcher, { method, url, headers, body }: HttpRequest): void {
    const path = url.pathname + url.search;
    dispatcher.dispatch(
      { ...UNLIMITED, origin: url.origin, path, method, headers, ...(body !== undefined && { body }) },
      this,
    );
  }

  header(name: string): string | undefined {
    return fieldValue(name, this.#headers[name]);
  }

  read(reader: BodyReader): void {
    const early = this.#early;
    const outcome = this.#outcome;
    this.#reader = reader;
    this.#early = [];
    for (const chunk of early) this.#pass(chunk);
    if (outcome !== undefined) this.#finish(outcome.error);
    // The rest may come at once.
    else if (early.length > 0) this.#release();
  }

  abort(): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#decoder?.destroy();
    this.#controller?.abort(new Error('aborted'));
    this.#resolveOver();
    // While there is no connection yet, no event follows.
    if (this.status === 0) this.#settle(new Error('aborted'));
  }

  // What the dispatcher calls

  onRequestStart(controller: CallController): void {
    this.#controller = controller;
    if (this.#isAborted) controller.abort(new Error('aborted'));
  }

  onResponseStart(
    _controller: CallController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return;
    this.status = status;
    this.#headers = headers;
    this.#decoder = decoderFor(this.header('content-encoding'));
    if (this.#decoder !== undefined) this.#decode(this.#decoder);
    this.#settle(this);
  }

  onResponseData(controller: CallController, chunk: Buffer): void {
    if (this.#isAborted) return;
    if (this.#decoder === undefined) this.#take(chunk);
    else if (!this.#decoder.write(chunk)) {
      controller.pause();
      this.#decoder.once('drain', () => controller.resume());
    }
  }

  onResponseEnd(): void {
    if (this.#decoder === undefined) this.#ended(undefined);
    else this.#decoder.end();
  }

  onResponseError(_controller: CallController, error: Error): void {
    if (this.status === 0) this.#settle(error);
    else this.#ended(error);
  }

  #decode(decoder: Transform): void {
    decoder.on('data', (chunk: Buffer) => this.#take(chunk));
    decoder.once('end', () => this.#ended(undefined));
    decoder.once('error', (error) => {
      this.#ended(error);
      this.abort();
    });
  }

  #take(chunk: Buffer): void {
    if (this.#reader !== undefined) return this.#pass(chunk);
    this.#early.push(chunk);
    if (this.#early.length === 1) this.#hold();
  }

  #pass(chunk: Buffer): void {
    if (this.#isAborted) return;
    const wait = this.#reader?.data(chunk);
    if (wait === undefined) return;
    this.#hold();
    void wait.finally(() => this.#release());
  }

  #hold(): void {
    this.#holds += 1;
    if (this.#holds > 1) return;
    // A decoder that is not read makes the connection wait by itself.
    if (this.#decoder === undefined) this.#controller?.pause();
    else this.#decoder.pause();
  }

  #release(): void {
    this.#holds -= 1;
    if (this.#holds > 0) return;
    if (this.#decoder === undefined) this.#controller?.resume();
    else this.#decoder.resume();
  }

  #ended(error: Error | undefined): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = { error };
    this.#resolveOver();
    if (this.#reader !== undefined) this.#finish(error);
  }

  #finish(error: Error | undefined): void {
    if (this.#isAborted) return;
    if (error === undefined) this.#reader?.end();
    else this.#reader?.failed(error);
  }
}

/** Each event of a stream is passed on as soon as it is there, so what is decoded is flushed at every chunk. */
function decoderFor(encoding: string | undefined): (Transform & Zlib) | undefined {
  const flush = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH };
  switch (encoding?.trim().toLowerCase()) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip(flush);
    case 'deflate':
      return createInflate(flush);
    case 'br':
      return createBrotliDecompress({ flush: constants.BROTLI_OPERATION_FLUSH });
    default:
      return undefined;
  }
}

/**
 * Reads a whole body.
 * @returns undefined if it was aborted, or is longer than `maxBytes`; the rest is dropped then
 * @throws what broke the connection
 */
export function readAll(response: HttpResponse, maxBytes: number): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    response.read({
      data(chunk) {
        length += chunk.length;
        chunks.push(chunk);
        if (length <= maxBytes) return;
        response.abort();
        resolve(undefined);
      },
      end: () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)),
      failed: reject,
    });
    void response.over.then(() => resolve(undefined));
  });
}

/** A response whose body has been read already. */
export function bufferedResponse(response: HttpResponse, body: Buffer): HttpResponse {
  return {
    status: response.status,
    header: (name) => response.header(name),
    over: Promise.resolve(),
    abort() {},
    read(reader) {
      void reader.data(body);
      reader.end();
    },
  };
}

/** In lower case, without its parameters. */
export function mediaTypeOf(response: HttpResponse): string {
  // A proxy may have joined identical lines, although the field is no list.
  const [type = ''] = (response.header('content-type') ?? '').split(/[;,]/, 1);
  return type.trim().toLowerCase();
}

/** Reads a body that is not needed, so that the connection can be used again. */
export function discard(response: HttpResponse, clock: Clock): void {
  // There is no telling when that would end.
  if (mediaTypeOf(response) === 'text/event-stream') return response.abort();
  let length = 0;
  const cancel = clock.after(DISCARDED_MS, () => response.abort());
  void response.over.then(cancel);
  response.read({
    data(chunk) {
      length += chunk.length;
      if (length > MAX_DISCARDED) response.abort();
    },
    end() {},
    failed() {},
  });
}
