import { RPC } from '../../protocol/constants.ts';
import type { RequestId } from '../../protocol/frame.ts';
import type { RejectionReason } from './rejection-reason.ts';
import { codeIn, isReplyTo, statementsIn, statementsOf } from './reply.ts';

/** Codes of published servers that name the request although they do not know its session. */
const OF_SESSIONS: ReadonlySet<number | undefined> = new Set([-32_001, -32_000, RPC.invalidRequest]);

const ID = '(?:mcp[ -]?)?session[ -]?id(?: header)?';
const SESSION = `(?:the |this )?(?:${ID}|(?:mcp[ -]?)?session(?: with(?: the)? id)?)`;
const STATES = '(?:invalid|expired|unknown|missing|unrecognized|stale)';
/** What may stand in front of a statement. */
const LEAD = '(?:(?:error|bad request|not found|invalid request|http|status|40[04])[:,.]? )*';
/** What may stand behind it: that a session has to be begun. */
const TAIL = '(?:(?: or|[;,.])? (?:[^:]* )?(?:(?:re-?)?initiali[sz]e|reconnect|new session)\\b.*)?';
/**
 * The statements of published servers, such as "No valid session ID provided" and "Server not initialized". Each is the
 * whole text: a "login session" is none of this protocol.
 */
const STATEMENTS = [
  `(?:(?:no|not an?|${STATES})(?: or ${STATES})*)(?: (?:valid|active|existing|such|known))* ${ID}` +
    '(?: (?:was |is )?(?:provided|found|supplied|specified|given))?',
  '(?:unknown|unrecognized|no such) (?:mcp )?session',
  `${SESSION}(?: (?:is|was|has|been|does|could|be))* (?:not (?:be )?found|not exist|not recognized|not valid|` +
    `no longer (?:valid|active|exists?)|(?:not found|terminated|${STATES})(?: or (?:not found|terminated|${STATES}))*)`,
  `no (?:active )?(?:transport|session)(?: found)? for (?:the |this )?${ID}`,
  '(?:the )?mcp-session-id(?: header)?(?: is)? (?:required|missing)',
  '(?:server|session|transport|client) (?:(?:is|was|has) )?not (?:yet )?(?:been )?initialized',
].map((source) => new RegExp(`^${LEAD}${source}${TAIL}$`));
/** Longer than any of them. */
const MAX_STATEMENT = 300;

/**
 * Whether a rejection means that the server does not know the session (2025-11-25, basic/transports, session management),
 * so that the request was not processed and may be sent again in another session. A reply that names the request comes
 * from a server that has processed it.
 * @param sessionId that the request was sent with
 * @param requestId undefined for other messages than requests
 */
export function isSessionForgotten(
  { status, replies, text, isCut }: RejectionReason,
  sessionId: string,
  requestId: RequestId | undefined,
): boolean {
  if (status !== 404 && status !== 400) return false;
  // There is no telling what it says of the request.
  if (isCut && requestId !== undefined) return false;
  const own = requestId === undefined ? [] : replies.filter((reply) => isReplyTo(reply, requestId));
  if (own.length > 0)
    return (
      status === 404 &&
      own.every(
        (reply) =>
          !('result' in reply) &&
          OF_SESSIONS.has(codeIn(reply)) &&
          namesUnknownSession(statementsOf(reply), sessionId),
      )
    );
  // Some servers answer as if the request had come without a session.
  const statements = replies.length > 0 ? replies.flatMap(statementsOf) : statementsIn(text);
  return status === 404 || namesUnknownSession(statements, sessionId);
}

function namesUnknownSession(statements: readonly string[], sessionId: string): boolean {
  return statements.some((statement) => {
    if (statement.length > MAX_STATEMENT + sessionId.length) return false;
    const words = statement
      .replaceAll(sessionId, ' ')
      .toLowerCase()
      .replaceAll(/[^\w:;,.!-]+/g, ' ')
      .replaceAll(/ (?=[:;,.])|[\s:;,.!]+$/g, '')
      .trim();
    return STATEMENTS.some((pattern) => pattern.test(words));
  });
}
