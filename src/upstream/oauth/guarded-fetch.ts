import { promisify } from 'node:util';
import { brotliDecompress, unzip as zlibUnzip } from 'node:zlib';
import type { FetchLike } from '@modelcontextprotocol/client';
import { request, type Dispatcher } from 'undici';
import { timeoutSignal, type Clock } from '../../clock.ts';
import { isRunError, RunError } from '../../errors.ts';
import { createDispatcher, mayUseProxy } from '../http/dispatcher.ts';
import { fieldValue } from '../http/field-values.ts';
import type { TlsSettings } from '../../config/types.ts';
import type { AddressScope } from './address-scope.ts';
import { createGuard, type Guard, type GuardOptions } from './guard.ts';

export interface GuardedFetchOptions extends GuardOptions {
  readonly server: string;
  readonly url: URL;
  readonly tls: TlsSettings;
}

const REQUEST_MS = 15_000;
const MAX_BYTES = 1024 * 1024;
/** Answers that may not have a body. */
const BODILESS = new Set([204, 205, 304]);

/** It tells gzip and deflate apart. */
const unzip = promisify(zlibUnzip);
const DECODERS = new Map<string, typeof unzip>([
  ['gzip', unzip],
  ['x-gzip', unzip],
  ['deflate', unzip],
  ['br', promisify(brotliDecompress)],
]);

/** Requests to authorization servers and for metadata: guarded, and bounded in time and size. */
export class GuardedFetch {
  readonly #server: string;
  readonly #serverUrl: URL;
  readonly #tls: TlsSettings;
  readonly #clock: Clock;
  readonly #guard: Guard;
  /** For the server itself, and for all others. */
  #own: Promise<Dispatcher> | undefined;
  #foreign: Promise<Dispatcher> | undefined;

  constructor(options: GuardedFetchOptions) {
    this.#server = options.server;
    this.#serverUrl = options.url;
    this.#tls = options.tls;
    this.#clock = options.clock;
    this.#guard = createGuard(options.url, options);
  }

  /** Each request is one hop: a redirect is an answer like any other, and its target is checked when it is requested. */
  fetch(signal: AbortSignal): FetchLike {
    return async (input, init) => {
      const url = new URL(input);
      await this.#check(url, mayUseProxy());
      const limit = timeoutSignal(this.#clock, REQUEST_MS, signal);
      try {
        return await this.#request(url, init, limit.signal);
      } catch (error) {
        signal.throwIfAborted();
        if (isRunError(error)) throw error;
        throw this.#failure(`${url.origin}${url.pathname}: ${describe(error, limit.signal)}`, error);
      } finally {
        limit.cancel();
      }
    };
  }

  /** @throws RunError `AUTHORIZATION_FAILED` if this URL, which the server has named, is not to be opened in a browser. */
  check(url: URL): Promise<void> {
    return this.#check(url, true);
  }

  /** Where the server is. */
  home(): Promise<AddressScope> {
    return this.#guard.home();
  }

  async close(): Promise<void> {
    for (const dispatcher of [this.#own, this.#foreign])
      await (await dispatcher?.catch(() => undefined))?.destroy();
  }

  async #request(url: URL, init: RequestInit | undefined, limit: AbortSignal): Promise<Response> {
    const { statusCode, headers, body } = await request(url, {
      dispatcher: await (url.origin === this.#serverUrl.origin
        ? this.#ownDispatcher()
        : this.#foreignDispatcher()),
      method: init?.method === 'POST' ? 'POST' : 'GET',
      headers: Object.fromEntries(new Headers(init?.headers)),
      body:
        typeof init?.body === 'string' || init?.body instanceof URLSearchParams ? init.body.toString() : null,
      signal: limit,
    });
    const sent = await readBounded(body);
    const bytes = await decode(sent, headers['content-encoding']);
    if (bytes === undefined) {
      const detail = `${url.origin}${url.pathname}: more than ${MAX_BYTES} bytes`;
      throw this.#failure(detail, new RangeError('too large'));
    }
    return new Response(BODILESS.has(statusCode) ? null : bytes, {
      status: statusCode,
      headers: Object.entries(headers).flatMap(([name, lines]): [string, string][] => {
        const value = fieldValue(name, lines);
        return value === undefined ? [] : [[name, value]];
      }),
    });
  }

  async #check(url: URL, isByOther: boolean): Promise<void> {
    const reason = await this.#guard.rejectionReason(url, { isByOther });
    if (reason !== undefined) throw this.#failure(`not going to ${placeOf(url)}: ${reason}`);
  }

  #ownDispatcher(): Promise<Dispatcher> {
    this.#own ??= createDispatcher({ server: this.#server, tls: this.#tls, lookup: this.#guard.ownLookup });
    return this.#own;
  }

  #foreignDispatcher(): Promise<Dispatcher> {
    // A client certificate is for the server that it was issued for.
    const tls = { ...this.#tls, certFile: undefined, keyFile: undefined };
    this.#foreign ??= createDispatcher({ server: this.#server, tls, lookup: this.#guard.lookup });
    return this.#foreign;
  }

  #failure(detail: string, cause?: unknown): RunError {
    return new RunError('AUTHORIZATION_FAILED', { server: this.#server, detail }, { cause });
  }
}

/** Without the query, which may hold a secret. */
function placeOf({ origin, protocol, pathname }: URL): string {
  return `${origin === 'null' ? protocol : origin}${pathname}`;
}

/**
 * Some servers and proxies compress what they send, whether that is asked for or not. What cannot be decompressed, such as
 * no body at all, stays as it is.
 * @returns undefined if it is too much
 */
async function decode(
  bytes: Buffer | undefined,
  encoding: string | string[] | undefined,
): Promise<Buffer | undefined> {
  const decompress = DECODERS.get(String(encoding).trim().toLowerCase());
  if (bytes === undefined || decompress === undefined) return bytes;
  try {
    return await decompress(bytes, { maxOutputLength: MAX_BYTES });
  } catch (error) {
    return error instanceof RangeError ? undefined : bytes;
  }
}

/** @returns undefined if it is too much */
async function readBounded(body: AsyncIterable<Buffer>): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function describe(error: unknown, limit: AbortSignal): string {
  if (limit.aborted) return `no answer within ${REQUEST_MS / 1000} s`;
  if (!(error instanceof Error)) return String(error);
  // One that is about several addresses has no text of its own.
  return error.message === '' && 'code' in error ? String(error.code) : error.message;
}
