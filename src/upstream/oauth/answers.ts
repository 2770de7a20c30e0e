import type { FetchLike } from '@modelcontextprotocol/client';
import type { RunError } from '../../errors.ts';
import { authorizationFailed, type OAuthContext } from './context.ts';

/** Answers of authorization servers as they really are, made into what RFC 6749 and RFC 7591 describe. */

export type JsonObject = Readonly<Record<string, unknown>>;

type AnswerContext = Pick<OAuthContext, 'server' | 'fetch'> & {
  readonly settings: Pick<OAuthContext['settings'], 'audience'>;
};

/** Longer lifetimes count as unknown: a date that far away is not a valid one. */
const MAX_LIFETIME_S = 1_000 * 365 * 24 * 60 * 60;
const FORM = /^[\w.~%+-]+=[^\s<>{}]*$/;
/** Ways of a client to prove itself that need a secret. */
const SECRET_METHODS = new Set<unknown>(['client_secret_basic', 'client_secret_post', 'client_secret_jwt']);

/** A JSON object without its unset members, also behind a byte order mark; undefined if the text is none. */
export function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ''));
    return isObject(value) ? withoutUnset(value) : undefined;
  } catch {
    return undefined;
  }
}

/** Without what is null or an empty string: many libraries write a member that is not set in one of these ways. */
export function withoutUnset(object: JsonObject, depth = 1): JsonObject {
  return Object.fromEntries(
    Object.entries(object).flatMap(([name, value]): [string, unknown][] => {
      if (isUnset(value)) return [];
      if (Array.isArray(value)) {
        const elements = value.filter((element) => !isUnset(element));
        // A list of nothing but gaps says nothing; an empty one says that there are none.
        return elements.length === 0 && value.length > 0 ? [] : [[name, elements]];
      }
      return [[name, isObject(value) && depth > 0 ? withoutUnset(value, depth - 1) : value]];
    }),
  );
}

/** Sends token requests, with the audience of the settings (an extension of Auth0 and others), and reads the answers. */
export function tokenFetch(context: AnswerContext): FetchLike {
  const { fetch, settings } = context;
  const { audience } = settings;
  return async (url, init) => {
    const body = init?.body instanceof URLSearchParams ? new URLSearchParams(init.body) : init?.body;
    if (audience !== undefined && body instanceof URLSearchParams) body.set('audience', audience);
    const headers = new Headers(init?.headers);
    headers.set('accept', 'application/json');
    const response = await fetch(url, { ...init, headers, ...(body !== undefined && { body }) });
    const parse = (text: string): JsonObject | undefined => parseObject(text) ?? parseForm(text);
    return await rewritten(response, parse, toTokens, unreadable(url, context));
  };
}

/** Sends registrations, and reads the answers. */
export function registrationFetch(context: AnswerContext, redirectUri: string): FetchLike {
  return async (url, init) => {
    const headers = new Headers(init?.headers);
    headers.set('accept', 'application/json');
    const response = await context.fetch(url, { ...init, headers });
    const convert = (answer: JsonObject): JsonObject => toRegistration(answer, redirectUri);
    return await rewritten(response, parseObject, convert, unreadable(url, context));
  };
}

async function rewritten(
  response: Response,
  parse: (text: string) => JsonObject | undefined,
  convert: (answer: JsonObject) => JsonObject,
  unreadable: () => RunError,
): Promise<Response> {
  const { status, headers, ok } = response;
  if (status >= 300 && status < 400) return response;
  const text = await response.text();
  const answer = parse(text);
  if (answer !== undefined && (ok || 'error' in answer)) {
    // Some providers report an error with the status of a success.
    const isError = 'error' in answer && !('access_token' in answer) && !('client_id' in answer);
    if (ok && !isError) return Response.json(convert(answer), { status });
    return Response.json(toError(answer), { status: ok ? 400 : status });
  }
  if (ok) throw unreadable();
  return new Response(text, { status, headers });
}

function unreadable(url: string | URL, context: AnswerContext): () => RunError {
  const { origin, pathname } = new URL(url);
  return () =>
    authorizationFailed(context, `${origin}${pathname} sent an answer that is neither JSON nor a form`);
}

/** Of the members that are used. */
function toTokens(answer: JsonObject): JsonObject {
  const { scope, token_type: type } = answer;
  const lifetime = secondsOf(answer['expires_in']);
  return {
    access_token: answer['access_token'],
    // Empty where it is absent: `toStoredTokens` decides.
    token_type: typeof type === 'string' ? type : '',
    ...(typeof answer['refresh_token'] === 'string' && { refresh_token: answer['refresh_token'] }),
    ...(lifetime !== undefined && lifetime < MAX_LIFETIME_S && { expires_in: lifetime }),
    ...(typeof scope === 'string' && { scope }),
    ...(Array.isArray(scope) && { scope: scope.join(' ') }),
  };
}

/** Of the members that are used, so that no other member can be wrong. */
function toRegistration(answer: JsonObject, redirectUri: string): JsonObject {
  const { client_secret: secret, token_endpoint_auth_method: method } = answer;
  const expiresAt = secondsOf(answer['client_secret_expires_at']);
  const isUsable = typeof method === 'string' && (secret !== undefined || !SECRET_METHODS.has(method));
  return {
    client_id: answer['client_id'],
    redirect_uris: [redirectUri],
    ...(secret !== undefined && { client_secret: secret }),
    ...(expiresAt !== undefined && { client_secret_expires_at: expiresAt }),
    ...(isUsable && { token_endpoint_auth_method: method }),
  };
}

function toError(answer: JsonObject): JsonObject {
  const texts = ['error_description', 'error_uri'].flatMap((name): [string, unknown][] =>
    typeof answer[name] === 'string' ? [[name, answer[name]]] : [],
  );
  return { error: answer['error'], ...Object.fromEntries(texts) };
}

/** GitHub and others answer like this, also if the request accepts JSON only. */
function parseForm(text: string): JsonObject | undefined {
  const form = text.replace(/^\uFEFF/, '').trim();
  if (!FORM.test(form)) return undefined;
  const answer = withoutUnset(Object.fromEntries(new URLSearchParams(form)));
  return 'access_token' in answer || 'error' in answer ? answer : undefined;
}

function secondsOf(value: unknown): number | undefined {
  const isDigits = typeof value === 'string' && /^\s*-?\d+(?:\.\d+)?\s*$/.test(value);
  const seconds = isDigits ? Number(value) : value;
  return typeof seconds === 'number' && Number.isFinite(seconds) ? seconds : undefined;
}

function isUnset(value: unknown): boolean {
  return value === null || value === undefined || (typeof value === 'string' && value.trim() === '');
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
