import { IssuerMismatchError, OAuthError, RegistrationRejectedError } from '@modelcontextprotocol/client';
import { isRunError, type RunError } from '../../errors.ts';
import { authorizationFailed, type OAuthContext } from './context.ts';

const MAX_LENGTH = 300;
/** Answers of a server that is out of order, which says nothing about what it was sent. */
const PASSING = new Set(['server_error', 'temporarily_unavailable', 'too_many_requests']);

/** The last one is GitHub's. */
const UNKNOWN_CLIENT = new Set(['invalid_client', 'unauthorized_client', 'incorrect_client_credentials']);

/** Whatever the building blocks throw, as our own error. */
export function toAuthorizationFailed(error: unknown, context: Pick<OAuthContext, 'server'>): RunError {
  if (isRunError(error)) return error;
  return authorizationFailed(context, describeFailure(error), error);
}

/** The reason alone. */
export function describeFailure(error: unknown): string {
  if (isRunError(error)) return String(error.fields['detail'] ?? error.message);
  return describe(error);
}

/** Whether an authorization server has refused what it was sent: sending it again is of no use. */
export function isRefusal(error: unknown): error is OAuthError {
  return error instanceof OAuthError && !PASSING.has(error.code);
}

/** Whether it does not know our client, or not any more. */
export function isUnknownClient(error: unknown): boolean {
  return error instanceof OAuthError && UNKNOWN_CLIENT.has(error.code);
}

/** One line, however long and wherever from. */
export function shorten(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH)}…` : line;
}

function describe(error: unknown): string {
  if (error instanceof IssuerMismatchError && error.kind === 'authorization_response') {
    // What came instead may be an attacker's choice, and is not shown.
    return `what came back from the browser is not from ${error.expected} (RFC 9207)`;
  }
  if (error instanceof RegistrationRejectedError) {
    return shorten(
      `the registration as a client was refused with HTTP status ${error.status}: ${error.body}`,
    );
  }
  if (error instanceof Error && 'issues' in error && Array.isArray(error.issues)) {
    return shorten(`an answer is not as it must be: ${error.issues.map(describeIssue).join(', ')}`);
  }
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof OAuthError)) return shorten(message);
  // The rest is the answer itself, which may repeat what was sent.
  const text = message.replace(/Invalid OAuth error response[^]*$/, 'no OAuth error');
  return shorten(text === error.code ? text : `${error.code} (${text})`);
}

/** Of a validation: which member is wrong, not what it holds. */
function describeIssue(issue: unknown): string {
  const path: unknown =
    typeof issue === 'object' && issue !== null && 'path' in issue ? issue.path : undefined;
  return Array.isArray(path) && path.length > 0 ? path.join('.') : 'not an object';
}
