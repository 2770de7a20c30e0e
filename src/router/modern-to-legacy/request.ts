import { frameFromBytes, type Frame } from '../../protocol/frame.ts';
import { member, withMember, without, writeObject, type Member } from '../../protocol/json-object.ts';
import type { RequestParts } from '../request-parts.ts';

const META = new Set(['_meta']);

/**
 * A modern client's request as one for a legacy server; members that need no translation keep their bytes.
 * @param number its id, and the progress token if the client has one
 * @param added members of `params`
 */
export function legacyRequest(request: RequestParts, number: number, added: readonly Member[] = []): Frame {
  const { method, tokenText } = request;
  const meta =
    tokenText === undefined ? request.meta : withMember(request.meta, member('progressToken', number));
  const rest = without(request.params, META);
  const params = meta.length === 0 ? rest : [...rest, { key: '_meta', value: writeObject(meta) }];
  const bytes = writeObject([
    member('jsonrpc', '2.0'),
    member('id', number),
    member('method', method),
    { key: 'params', value: writeObject([...params, ...added]) },
  ]);
  return frameFromBytes('request', bytes, number, method);
}
