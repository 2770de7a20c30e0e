import { mayNeedInput } from '../../era/input.ts';
import { filterToJson, type Filter } from '../../era/listen.ts';
import { META } from '../../protocol/constants.ts';
import { frameFromBytes, type Frame } from '../../protocol/frame.ts';
import {
  member,
  membersOf,
  membersOfMessage,
  valueOf,
  without,
  withMember,
  writeObject,
  type Member,
} from './members.ts';

/** A legacy client's request, read for its translation. */
export interface LegacyRequest {
  readonly method: string;
  /** The id's JSON text, to give it back digit for digit. */
  readonly idText: Buffer | undefined;
  /** Likewise. */
  readonly tokenText: Buffer | undefined;
  readonly params: readonly Member[];
  readonly meta: readonly Member[];
}

/** What a request of revision 2026-07-28 says of its client, and what of 2025-11-25 it does not know. */
const ENVELOPE: ReadonlySet<string> = new Set([
  META.protocolVersion,
  META.clientCapabilities,
  META.clientInfo,
  META.logLevel,
  META.relatedTask,
]);
/** What tells a retry from the first request: of that the client knows nothing. */
const RETRY: ReadonlySet<string> = new Set(['inputResponses', 'requestState', 'task']);

export function readRequest(frame: Frame): LegacyRequest {
  const { method = '' } = frame;
  const message = membersOfMessage(frame);
  const params = membersOf(valueOf(message, 'params'));
  const meta = membersOf(valueOf(params, '_meta'));
  return {
    method,
    idText: valueOf(message, 'id'),
    tokenText: valueOf(meta, 'progressToken'),
    params: mayNeedInput(method) ? without(params, RETRY) : params,
    meta: without(meta, ENVELOPE),
  };
}

/**
 * The same request as the server is to get it; what is not translated stays as it was written.
 * @param id ours, and the progress token if the client has one
 * @param envelope members of `_meta`
 * @param retry members of `params` that a retry adds
 */
export function modernRequest(
  request: LegacyRequest,
  id: number,
  envelope: readonly Member[],
  retry: readonly Member[] = [],
): Frame {
  const token =
    request.tokenText === undefined ? request.meta : withMember(request.meta, member('progressToken', id));
  const meta = { key: '_meta', value: writeObject([...token, ...envelope]) };
  const bytes = writeObject([
    member('jsonrpc', '2.0'),
    member('id', id),
    member('method', request.method),
    { key: 'params', value: writeObject([...withMember(request.params, meta), ...retry]) },
  ]);
  return frameFromBytes('request', bytes, id, request.method);
}

/** Asks a server who it is. */
export function discoverRequest(id: number, envelope: readonly Member[]): Frame {
  return modernRequest(ownRequest('server/discover', []), id, envelope);
}

/** Asks a server to tell what `filter` lets through. */
export function listenRequest(id: number, envelope: readonly Member[], filter: Filter): Frame {
  const params = [member('notifications', filterToJson(filter))];
  return modernRequest(ownRequest('subscriptions/listen', params), id, envelope);
}

function ownRequest(method: string, params: readonly Member[]): LegacyRequest {
  return { method, idText: undefined, tokenText: undefined, params, meta: [] };
}
