import type { ErrorFields, RunError } from '../../errors.ts';
import { RPC } from '../../protocol/constants.ts';
import { withoutBom } from '../../protocol/bom.ts';
import { frameOf, type Frame, type RequestId } from '../../protocol/frame.ts';
import type { Clock } from '../../clock.ts';
import { failureCode, isForeignEndpoint } from './failure.ts';
import { readAll, type HttpResponse } from './http-call.ts';
import { readMessages } from './messages.ts';
import { codeIn, isJsonRpc, isObject, isReplyTo, reasonIn, repliesIn, type Reply } from './reply.ts';

/** A response that is not what was asked for. */
export interface RejectionReason {
  readonly status: number;
  /** A JSON-RPC error in its body; that of the request, if there is one. */
  readonly error: Frame | undefined;
  /** The result of the request in its body; the status does not count. */
  readonly result: Frame | undefined;
  /** All that its body says in the way of JSON-RPC. */
  readonly replies: readonly Reply[];
  /** The beginning of its body. */
  readonly text: string;
  /** Its body could not be read to its end. */
  readonly isCut: boolean;
}

/** How long a rejection may take to explain itself. */
const EXPLANATION_MS = 2_000;
/** The answers by which a server says that it is of the older transport (2025-11-25, basic/transports, backward compatibility). */
const NOT_STREAMABLE: ReadonlySet<number> = new Set([400, 404, 405]);
/** A server that has these to say knows what it has been sent, and by which transport. */
const OF_STREAMABLE: ReadonlySet<number | undefined> = new Set([
  RPC.methodNotFound,
  RPC.headerMismatch,
  RPC.missingClientCapability,
  RPC.unsupportedProtocolVersion,
]);
/** Another mcp-run has not passed such a request on. */
const UNPROCESSED: ReadonlySet<unknown> = new Set(['crash_loop', 'shutting_down', 'too_many_variants']);
const FULL: ReadonlySet<unknown> = new Set(['too_many_sessions', 'too_many_children']);
const SHUT: ReadonlySet<string> = new Set([
  'AUTHORIZATION_REQUIRED',
  'AUTHORIZATION_FAILED',
  'UPSTREAM_REDIRECT',
]);

/**
 * Takes the response. Never rejects: the status has said what matters.
 * @param id of the request
 */
export async function readRejectionReason(
  response: HttpResponse,
  maxBytes: number,
  id: RequestId | undefined,
  clock: Clock,
): Promise<RejectionReason> {
  const cancel = clock.after(EXPLANATION_MS, () => response.abort(), true);
  const whole = await readAll(response, maxBytes).catch(() => undefined);
  cancel();
  if (whole === undefined) return { ...rejectionReason(response.status), isCut: true };
  const body = withoutBom(whole);
  const replies = repliesIn(body.toString());
  const frames = replies.length === 0 ? [] : responsesIn(body);
  const text = body.toString('utf8', 0, 500);
  return {
    status: response.status,
    error: errorIn(frames, replies, id),
    result: id === undefined ? undefined : resultIn(frames, replies, id),
    replies,
    text,
    isCut: false,
  };
}

/** A rejection of which no more is known. */
export function rejectionReason(status: number, text = ''): RejectionReason {
  return { status, error: undefined, result: undefined, replies: [], text, isCut: false };
}

function responsesIn(body: Buffer): Frame[] {
  try {
    const frames = readMessages(body).filter(({ kind }) => kind === 'response');
    // Has them parsed.
    for (const { message } of frames) void message.error;
    return frames;
  } catch {
    return [];
  }
}

function errorIn(
  frames: readonly Frame[],
  replies: readonly Reply[],
  id: RequestId | undefined,
): Frame | undefined {
  const errors = frames.filter(({ message }) => message.error !== undefined);
  const own = id === undefined ? undefined : errors.find((frame) => String(frame.id) === String(id));
  if (own !== undefined) return own;
  const isOwn = (reply: Reply): boolean => id !== undefined && isReplyTo(reply, id);
  const loose = replies.filter((reply) => codeIn(reply) !== undefined);
  const reply = loose.find(isOwn) ?? (errors.length > 0 ? undefined : loose.find(isJsonRpc));
  return (reply && errorOf(reply, isOwn(reply) ? id : undefined)) ?? errors[0];
}

function errorOf({ error }: Reply, id: RequestId | undefined): Frame | undefined {
  if (!isObject(error)) return undefined;
  const { code, message, data } = error;
  if (typeof code !== 'number' || !Number.isInteger(code) || typeof message !== 'string') return undefined;
  return writable({ id: id ?? null, error: { code, message, ...(data !== undefined && { data }) } });
}

function resultIn(frames: readonly Frame[], replies: readonly Reply[], id: RequestId): Frame | undefined {
  const own = frames.find(({ id: of, message }) => String(of) === String(id) && message.result !== undefined);
  if (own !== undefined) return own;
  const result = replies.find((reply) => isReplyTo(reply, id))?.['result'];
  return isObject(result) ? writable({ id, result }) : undefined;
}

/** @returns undefined if it is nested too deeply to be written again */
function writable(message: Parameters<typeof frameOf>[0]): Frame | undefined {
  try {
    return frameOf(message);
  } catch {
    return undefined;
  }
}

/** Whether a rejection of `initialize` may be that of a server of HTTP+SSE. */
export function mayBeOlder({ status, error }: RejectionReason): boolean {
  return NOT_STREAMABLE.has(status) && !OF_STREAMABLE.has(codeOf(error));
}

/** The answer to a GET of a server that has no stream, as it ends a `RunError`. */
export const NO_STREAM = ', but not with a stream of events';
/** Statuses of a server without such a stream. */
const STREAMLESS: ReadonlySet<unknown> = new Set([400, 404, 405, 406, 415, 501]);

/**
 * Whether the failure of HTTP+SSE is a better explanation than the rejection of Streamable HTTP before it: the server has a
 * stream of events, or may have one.
 */
export function isMoreSpecific(failure: RunError, reason: RejectionReason): boolean {
  const { code, fields, cause } = failure;
  if (isForeignEndpoint(failure)) return true;
  // A server that explains its rejection knows better.
  if (reason.error !== undefined) return false;
  if (code === 'UPSTREAM_HTTP') return !isStreamless(fields);
  // Streamable HTTP has such a stream as well, and it names no endpoint.
  if (code === 'UPSTREAM_UNREACHABLE' && failureCode(cause) === undefined) return detailOf(reason) === '';
  return true;
}

function isStreamless({ status, detail }: ErrorFields): boolean {
  return STREAMLESS.has(status) || detail === NO_STREAM;
}

export function codeOf(error: Frame | undefined): number | undefined {
  return error?.message.error?.code;
}

/** Whether an answer is an error, or not even an answer. */
export function isError(answer: Frame): boolean {
  try {
    return answer.message.error !== undefined;
  } catch {
    return true;
  }
}

/**
 * Whether the body of a rejection may answer a request: the server has processed it, at any status, and it must
 * not be sent again. A reply that names no request may be to this one.
 */
export function isProcessed(body: Buffer, id: RequestId): boolean {
  const replies = repliesIn(withoutBom(body).toString());
  const own = replies.filter((reply) => isReplyTo(reply, id));
  return (own.length > 0 ? own : replies.filter(isJsonRpc)).some((reply) => {
    const reason = reasonIn(reply);
    return !UNPROCESSED.has(reason) && !FULL.has(reason);
  });
}

/** Whether another mcp-run says that its clients have all the sessions or processes that it allows. */
export function isFull({ error }: RejectionReason): boolean {
  return error !== undefined && FULL.has(reasonOf(error));
}

function reasonOf({ message }: Frame): unknown {
  const data: unknown = message.error?.data;
  return typeof data === 'object' && data !== null && 'reason' in data ? data.reason : undefined;
}

/** What a server says with a status, secrets included. What a page says is for people, and none of ours. */
export function detailOf({ status, text }: RejectionReason): string {
  if (status < 300) return ', but not with JSON or a stream of events';
  return text.trim() === '' || /^\s*</.test(text)
    ? ''
    : `: ${text.trim().slice(0, 200).replaceAll(/\s+/g, ' ')}`;
}

/** Nothing is there that could answer, or what is in front of it says so. */
export function isDown({ code, fields }: RunError): boolean {
  return code === 'UPSTREAM_UNREACHABLE' || (code === 'UPSTREAM_HTTP' && Number(fields['status']) >= 500);
}

/** It is there, and does not let us in. */
export function isShut({ code }: RunError): boolean {
  return SHUT.has(code);
}
