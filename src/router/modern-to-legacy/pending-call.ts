import { requestDigest } from '../../era/input.ts';
import { jsonOf, type Json } from '../../era/json.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import { readRequest, type RequestParts } from '../request-parts.ts';
import type { ClientPort } from '../shared-process/client-port.ts';
import type { Requester } from './answer.ts';

/** What a server wants to know of a call's client. */
export interface ServerRequest {
  /** Of the server's own request. */
  readonly id: RequestId;
  readonly method: string;
  readonly params: Json;
  /** The call that it came with, where the link knows. */
  readonly relatedRequestId: RequestId | undefined;
  /** Its name in `inputRequests`. */
  readonly key: string;
}

/** The client's request that a call is to answer now; between two of them there is none. */
export interface Waiting extends Requester {
  readonly port: ClientPort;
  /** Undefined: no progress is wanted. */
  readonly tokenText: Buffer | undefined;
  /** Least severity that it wants to hear; undefined = nothing. */
  readonly level: number | undefined;
}

/**
 * One request to the server. To its client it may be several, one after the other: each but the last is answered with a
 * demand for input (2026-07-28, basic/patterns/mrtr), and while that is being met the call is parked.
 */
export interface PendingCall {
  /** The server's id of it, and its progress token. */
  number: number;
  readonly request: RequestParts;
  /** What makes a retry one of this request. */
  readonly digest: () => string;
  /** Undefined while it is parked, and once nobody will come back for it. */
  waiting: Waiting | undefined;
  /** By the id of the server's request. */
  readonly questions: Map<RequestId, ServerRequest>;
  /** How many there have been. */
  asked: number;
  rounds: number;
  /** The server's answer, if it came while nobody waited. */
  final: Frame | undefined;
  /** Nobody will come back for it: it may finish, and be forgotten. */
  isDiscarded: boolean;
  /** It is being asked together with what comes in the same turn. */
  isAsking: boolean;
  /** It holds the one place for calls that may ask, where there is one only. */
  hasSlot: boolean;
  /** 2025-11-25, basic/utilities/tasks: what it has become there. */
  task: { readonly id: string } | 'creating' | undefined;
}

export function createPendingCall(number: number, frame: Frame, waiting: Waiting): PendingCall {
  const request = readRequest(frame);
  const params = jsonOf(frame.message.params);
  let digest: string | undefined;
  return {
    number,
    request,
    digest: () => (digest ??= requestDigest(request.method, params)),
    waiting,
    questions: new Map(),
    asked: 0,
    rounds: 0,
    final: undefined,
    isDiscarded: false,
    isAsking: false,
    hasSlot: false,
    task: undefined,
  };
}
