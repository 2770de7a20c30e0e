import { RunError } from '../../errors.ts';
import type { Json } from '../../era/json.ts';
import { toModernError, toModernResult, type RpcErrorBody } from '../../era/results.ts';
import { frameFromBytes, type Frame, type RequestId } from '../../protocol/frame.ts';
import {
  member,
  membersOf,
  parsed,
  readMembers,
  rewriteObject,
  valueOf,
  writeObject,
  type Member,
} from '../../protocol/json-object.ts';

/** Larger values are parsed only if a translation rule reads them. */
const SMALL_BYTES = 1_024;
const OPEN_OBJECT = 0x7b;
const OPEN_ARRAY = 0x5b;

/** The id of a client's request. */
export interface RequestIdentity {
  readonly id: RequestId;
  /** Its JSON text, so that the answer repeats it digit for digit. */
  readonly idText: string;
}

/**
 * A legacy server's result as an answer for a modern client.
 * @param bytes of the server's answer
 * @throws RunError `MALFORMED_ANSWER`
 */
export function modernAnswer(
  { id, idText }: RequestIdentity,
  method: string,
  bytes: Uint8Array,
  server: { readonly name: string; readonly info: Json | undefined },
): Frame {
  try {
    const result = membersOf(valueOf(readMembers(bytes) ?? [], 'result'));
    const value = rewriteObject(result, outlineOf, (before) => toModernResult(method, before, server.info));
    return answerFrame(id, idText, { key: 'result', value });
  } catch (error) {
    throw new RunError('MALFORMED_ANSWER', { server: server.name, method }, { cause: error });
  }
}

/** A legacy server's error as an answer for a modern client. */
export function modernErrorAnswer(
  { id, idText }: RequestIdentity,
  method: string,
  error: RpcErrorBody,
): Frame {
  return answerFrame(id, idText, member('error', toModernError(method, error)));
}

/** An answer of ours. */
export function resultAnswer({ id, idText }: RequestIdentity, result: Json): Frame {
  return answerFrame(id, idText, member('result', result));
}

/** A value without its contents if no rule reads them: most of a large result is content. */
function outlineOf({ key, value }: Member): unknown {
  if (value.length <= SMALL_BYTES || key === 'tools' || key === '_meta') return parsed(value);
  if (value[0] === OPEN_OBJECT) return {};
  return value[0] === OPEN_ARRAY ? [] : parsed(value);
}

function answerFrame(id: RequestId, idText: string, outcome: Member): Frame {
  const idMember = { key: 'id', value: Buffer.from(idText) };
  return frameFromBytes(
    'response',
    writeObject([member('jsonrpc', '2.0'), idMember, outcome]),
    id,
    undefined,
  );
}
