import { RunError } from '../../errors.ts';
import type { Authorization } from '../authorization.ts';
import type { Clock } from '../../clock.ts';
import { failureCode, originOf, unreachable } from './failure.ts';
import {
  bufferedResponse,
  discard,
  ENCODINGS,
  HttpCall,
  type HttpDispatcher,
  type HttpRequest,
  type HttpResponse,
  readAll,
} from './http-call.ts';

/** The way to one remote server, for all that is said to it. */
export interface Connection {
  /** @param repeatable whether it may be sent again when the connection broke before an answer */
  send(request: HttpRequest, repeatable: boolean): Sending;
}

/** A request under way. */
export interface Sending {
  /**
   * Of any status but those that are dealt with here.
   * @throws RunError `UPSTREAM_UNREACHABLE`, `UPSTREAM_REDIRECT`, `AUTHORIZATION_REQUIRED`, `AUTHORIZATION_FAILED`
   */
  readonly response: Promise<HttpResponse>;
  /** Resolves when the response has come to its end, or will not. */
  readonly over: Promise<void>;
  /** A user may be signing in: that time is not the server's. */
  readonly isAuthorizing: boolean;
  /** Idempotent; the response then fails, or its body ends without a word. */
  abort(): void;
}

/** What one conversation has under way. */
export interface ConnectionScope extends Connection {
  /** Ends all of it. */
  abort(): void;
}

export interface ConnectionOptions {
  readonly server: string;
  readonly dispatcher: HttpDispatcher;
  /** Sent with every request; names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined: a server that asks for authorization is refused. */
  readonly authorization: Authorization | undefined;
  readonly clock: Clock;
}

const MAX_REDIRECTS = 5;
/** A request may need authorization, and then more of it. */
const MAX_CHALLENGES = 3;
/** How often, and after how long at most, a server that is too busy is asked again. */
const MAX_BUSY = 3;
const MAX_BUSY_MS = 10_000;
/** How long a server that was told that a session is over may take to note it. */
const ROOM_MS = 250;
/** How long the rejection of a busy server may take, and how long it may be. */
const EXPLANATION_MS = 2_000;
const MAX_EXPLANATION = 1024 * 1024;
const BUSY: ReadonlySet<number> = new Set([429, 503]);
/** Those that send a request elsewhere as it is, and those that have always been used as if they did. */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 307, 308]);
const BROKEN: ReadonlySet<string | undefined> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

/** One request, sent as often as it takes. */
class Attempts implements Sending {
  readonly response: Promise<HttpResponse>;
  readonly over: Promise<void>;
  readonly #options: ConnectionOptions;
  readonly #clock: Clock;
  #call: HttpCall | undefined;
  /** For what waits without a call. */
  #aborted: AbortController | undefined;
  #isAborted = false;
  isAuthorizing = false;

  constructor(request: HttpRequest, repeatable: boolean, options: ConnectionOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.response = this.#run(request, repeatable);
    // A caller that has aborted it does not look.
    this.over = this.response.then(
      ({ over }) => over,
      () => {},
    );
  }

  abort(): void {
    this.#isAborted = true;
    this.#aborted?.abort();
    this.#call?.abort();
  }

  async #run(request: HttpRequest, repeatable: boolean): Promise<HttpResponse> {
    let { url } = request;
    let redirects = 0;
    let challenges = 0;
    let busy = 0;
    let breaks = repeatable ? 0 : 1;
    for (;;) {
      const authorization = await this.#authorize();
      const response = await this.#try(request, url, authorization);
      if (this.#isAborted) throw new RunError('CLIENT_GONE');
      if (response instanceof Error) {
        // A connection that was kept may have been given up by the server just now.
        if (breaks > 0 || !BROKEN.has(failureCode(response)))
          throw unreachable(this.#options.server, url, response);
        breaks += 1;
        continue;
      }
      const { status } = response;
      if (status < 300) return response;
      if (REDIRECTS.has(status) && redirects < MAX_REDIRECTS) {
        url = this.#redirected(response, url);
        redirects += 1;
      } else if (status === 401 || (status === 403 && isStepUp(response))) {
        challenges += 1;
        await this.#challenged(response, authorization, challenges);
      } else if (BUSY.has(status) && busy < MAX_BUSY && isSoon(response, this.#clock)) {
        busy += 1;
        const answer = await answerIn(request, response, this.#clock);
        if (answer !== undefined) return answer;
        const isRoom = await hasMadeRoom(request, response, this.#clock);
        await this.#pause(isRoom ? ROOM_MS : retryAfterMs(response, this.#clock));
      } else {
        return response;
      }
      if (this.#isAborted) throw new RunError('CLIENT_GONE');
    }
  }

  #try(request: HttpRequest, url: URL, authorization: string | undefined): Promise<HttpResponse | Error> {
    const { headers, dispatcher } = this.#options;
    return new Promise((resolve) => {
      const call = new HttpCall(resolve);
      this.#call = call;
      call.start(dispatcher, {
        ...request,
        url,
        headers: {
          'accept-encoding': ENCODINGS,
          ...headers,
          ...request.headers,
          ...(authorization !== undefined && { authorization }),
        },
      });
      if (this.#isAborted) call.abort();
    });
  }

  async #authorize(): Promise<string | undefined> {
    const { authorization } = this.#options;
    if (authorization === undefined) return undefined;
    this.isAuthorizing = true;
    const header = await authorization.header(() => this.#signal());
    this.isAuthorizing = false;
    return header;
  }

  async #challenged(response: HttpResponse, sent: string | undefined, count: number): Promise<void> {
    const { server, authorization } = this.#options;
    const { status } = response;
    const wwwAuthenticate = response.header('www-authenticate');
    discard(response, this.#clock);
    const detail = ` (HTTP status ${status})`;
    if (authorization === undefined) throw new RunError('AUTHORIZATION_REQUIRED', { server, detail });
    this.isAuthorizing = true;
    const isWorthIt =
      count <= MAX_CHALLENGES &&
      (await authorization.challenged({ status, wwwAuthenticate, sent }, this.#signal()));
    if (!isWorthIt) throw new RunError('AUTHORIZATION_REQUIRED', { server, detail });
  }

  /** Credentials and messages go to the origin that was configured, and to no other. */
  #redirected(response: HttpResponse, from: URL): URL {
    const { server } = this.#options;
    const location = response.header('location');
    discard(response, this.#clock);
    const to =
      location !== undefined && URL.canParse(location, from.href) ? new URL(location, from) : undefined;
    if (to === undefined)
      throw new RunError('UPSTREAM_HTTP', { server, status: response.status, detail: '' });
    if (to.origin !== from.origin)
      throw new RunError('UPSTREAM_REDIRECT', { server, action: 'redirects to', origin: originOf(to) });
    return to;
  }

  /** Resolves early when it is aborted. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const signal = this.#signal();
      let cancel: () => void = () => {};
      const end = (): void => {
        cancel();
        resolve();
      };
      cancel = this.#clock.after(ms, end, true);
      if (signal.aborted) end();
      else signal.addEventListener('abort', end, { once: true });
    });
  }

  #signal(): AbortSignal {
    this.#aborted ??= new AbortController();
    if (this.#isAborted) this.#aborted.abort();
    return this.#aborted.signal;
  }
}

export function createConnection(options: ConnectionOptions): Connection {
  return { send: (request, repeatable) => new Attempts(request, repeatable, options) };
}

export function createScope(connection: Connection): ConnectionScope {
  const open = new Set<Sending>();
  return {
    send(request, repeatable) {
      const sending = connection.send(request, repeatable);
      open.add(sending);
      void sending.over.then(() => open.delete(sending));
      return sending;
    },
    abort() {
      for (const sending of open) sending.abort();
    },
  };
}

/** More scopes are wanted than the token has (RFC 6750, section 3.1). */
function isStepUp(response: HttpResponse): boolean {
  return /\berror="?insufficient_scope\b/.test(response.header('www-authenticate') ?? '');
}

/**
 * Takes the response of a busy server to a request that must not be sent again once it has been processed.
 * @returns the response, whole, if it is an answer, or cannot be read to its end
 */
async function answerIn(
  { isAnswer }: HttpRequest,
  response: HttpResponse,
  clock: Clock,
): Promise<HttpResponse | undefined> {
  if (isAnswer === undefined) return undefined;
  const cancel = clock.after(EXPLANATION_MS, () => response.abort(), true);
  const body = await readAll(response, MAX_EXPLANATION).catch(() => undefined);
  cancel();
  return body === undefined || isAnswer(body)
    ? bufferedResponse(response, body ?? Buffer.alloc(0))
    : undefined;
}

/** Takes the response. One that is still refused then is told again: what was ended may have had no place there. */
async function hasMadeRoom(
  { makeRoom, isAnswer }: HttpRequest,
  response: HttpResponse,
  clock: Clock,
): Promise<boolean> {
  if (makeRoom !== undefined) return await makeRoom(response).catch(() => false);
  if (isAnswer === undefined) discard(response, clock);
  return false;
}

function isSoon(response: HttpResponse, clock: Clock): boolean {
  const ms = retryAfterMs(response, clock);
  return ms >= 0 && ms <= MAX_BUSY_MS;
}

/** `Retry-After` (RFC 9110, section 10.2.3); -1 without. */
function retryAfterMs(response: HttpResponse, clock: Clock): number {
  const value = response.header('retry-after')?.trim() ?? '';
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? -1 : Math.max(0, date - clock.date());
}
