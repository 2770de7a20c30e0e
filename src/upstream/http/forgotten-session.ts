import { RPC } from '../../protocol/constants.ts';
import type { RequestId } from '../../protocol/frame.ts';
import { codeOf, type Refusal } from './refusal.ts';

/** Errors of a server that has dispatched the request. */
const OF_REQUESTS: ReadonlySet<number> = new Set([
  RPC.methodNotFound,
  RPC.invalidParams,
  RPC.internalError,
  RPC.resourceNotFound,
]);

// JSON-RPC 2.0, section 5.1: codes in this range are not those of an application.
const FIRST_RESERVED = -32_768;
const LAST_RESERVED = -32_000;

const SESSION = '(?:mcp[ _-]?)?session(?:[ _-]?id)?';
/** The texts of published servers, such as "No valid session ID provided" and "Bad Request: Server not initialized". */
const TEXTS = [
  `\\b(?:no|not a|invalid|unknown|expired|unrecognized|stale)(?: or (?:invalid|expired|unknown|missing))?` +
    `(?: (?:valid|active|existing|such|known|transport|found|for|with))* ${SESSION}\\b` +
    `(?![ -](?!(?:header|provided|found|supplied|specified|given|or|in|is|was|for)\\b)\\w)`,
  `\\b${SESSION}(?: header)?(?: (?:is|was|has|been|does))* (?:not found|not exist|unknown|invalid|expired|terminated|` +
    `closed|gone|timed out|not recognized|not valid|no longer (?:valid|active|exists?))\\b`,
  `\\b(?:server|session|transport|client) (?:(?:is|was) )?not (?:yet )?initialized\\b`,
].map((source) => new RegExp(source, 'i'));

/**
 * Whether a refusal means that the server does not know the session (2025-11-25, basic/transports, session management),
 * so that the request was not processed and may be sent again in another session. An error that names the request comes
 * from a server that has processed it.
 * @param sessionId that the request was sent with
 * @param requestId undefined for other messages than requests
 */
export function isSessionForgotten(
  { status, error, text }: Refusal,
  sessionId: string,
  requestId: RequestId | undefined,
): boolean {
  const isOwn = requestId !== undefined && error?.id === requestId;
  if (status === 404) return !isOwn || !isOfRequests(codeOf(error)) || namesUnknownSession(text, sessionId);
  // Some servers answer as if the request had come without a session.
  return status === 400 && !isOwn && namesUnknownSession(error?.message.error?.message ?? text, sessionId);
}

function isOfRequests(code: number | undefined): boolean {
  return code !== undefined && (OF_REQUESTS.has(code) || code < FIRST_RESERVED || code > LAST_RESERVED);
}

function namesUnknownSession(text: unknown, sessionId: string): boolean {
  if (typeof text !== 'string') return false;
  const words = text.replaceAll(sessionId, ' ').replaceAll(/[^\w;,.!?-]+/g, ' ');
  return TEXTS.some((pattern) => pattern.test(words));
}
