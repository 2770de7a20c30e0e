import { filterToJson, type Filter } from '../../era/listen.ts';
import { LISTEN } from '../../protocol/constants.ts';
import { frameFromBytes, type Frame } from '../../protocol/frame.ts';
import { member, withMember, writeObject, type Member } from '../../protocol/json-object.ts';
import type { RequestParts } from '../request-parts.ts';

/**
 * The same request as the server is to get it; what is not translated stays as it was written.
 * @param id ours, and the progress token if the client has one
 * @param envelope members of `_meta`
 * @param retry members of `params` that a retry adds
 */
export function modernRequest(
  request: RequestParts,
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

/** The request for a server's identity and capabilities. */
export function discoverRequest(id: number, envelope: readonly Member[]): Frame {
  return modernRequest(ownRequest('server/discover', []), id, envelope);
}

/** The request for the notifications that `filter` lets through. */
export function listenRequest(id: number, envelope: readonly Member[], filter: Filter): Frame {
  const params = [member('notifications', filterToJson(filter))];
  return modernRequest(ownRequest(LISTEN, params), id, envelope);
}

function ownRequest(method: string, params: readonly Member[]): RequestParts {
  return { method, idText: undefined, tokenText: undefined, params, meta: [] };
}
