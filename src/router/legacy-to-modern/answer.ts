import { isDeepStrictEqual } from 'node:util';
import { RunError } from '../../errors.ts';
import { mayNeedInput } from '../../era/input.ts';
import { toLegacyError, toLegacyResult } from '../../era/results.ts';
import type { Frame } from '../../protocol/frame.ts';
import {
  membersOf,
  parsed,
  readMembers,
  rewriteObject,
  valueOf,
  type Member,
} from '../../protocol/json-object.ts';

/** A server's answer, translated for a legacy client. */
export type LegacyAnswer =
  /** `result` or `error` of the answer. */
  | { readonly kind: 'answer'; readonly outcome: Member }
  /** Not the answer yet: the members of an InputRequiredResult. */
  | { readonly kind: 'input'; readonly result: readonly Member[] };

/** Above this size only what the rules look into is parsed. */
const SMALL_BYTES = 1_024;
const OPEN_OBJECT = 0x7b;
const OPEN_ARRAY = 0x5b;

/**
 * Translates an answer of revision 2026-07-28; what the rules leave alone stays as it was written.
 * @throws RunError `MALFORMED_ANSWER`, or `NOT_MCP` for a kind of result that was not asked for
 */
export function legacyAnswer(server: string, method: string, frame: Frame): LegacyAnswer {
  try {
    return translate(server, method, frame);
  } catch (error) {
    if (error instanceof RunError && error.code === 'NOT_MCP') throw error;
    throw new RunError('MALFORMED_ANSWER', { server, method }, { cause: error });
  }
}

function translate(server: string, method: string, frame: Frame): LegacyAnswer {
  const message = readMembers(frame.bytes);
  // A second `id` would be the answer to another client.
  if (message === undefined) throw new RunError('INVALID_REQUEST', { detail: 'a key is there twice' });
  const error = valueOf(message, 'error');
  if (error !== undefined) return answer('error', legacyError(method, error, frame));
  const result = membersOf(valueOf(message, 'result'));
  const type = parsed(valueOf(result, 'resultType')) ?? 'complete';
  if (type === 'complete') return answer('result', legacyResult(method, result));
  // The whole of it is parsed before the client gets any request for it.
  if (type === 'input_required' && mayNeedInput(method) && frame.message.result !== undefined)
    return { kind: 'input', result };
  throw new RunError('NOT_MCP', { server, method, detail: `"resultType": ${JSON.stringify(type)}` });
}

function answer(key: 'result' | 'error', value: Buffer): LegacyAnswer {
  return { kind: 'answer', outcome: { key, value } };
}

function legacyResult(method: string, result: readonly Member[]): Buffer {
  return rewriteObject(result, outlineOf, (before) => toLegacyResult(method, before));
}

function legacyError(method: string, bytes: Buffer, { message }: Frame): Buffer {
  const { error } = message;
  if (error === undefined) return bytes;
  const after = toLegacyError(method, error);
  return isDeepStrictEqual(after, error) ? bytes : Buffer.from(JSON.stringify(after));
}

/** A value without what is in it where no rule looks: most of a large result is content. */
function outlineOf({ key, value }: Member): unknown {
  if (value.length <= SMALL_BYTES || key === 'tools' || key === '_meta') return parsed(value);
  if (value[0] === OPEN_OBJECT) return {};
  // One that is no object is written out as a text.
  if (value[0] === OPEN_ARRAY && key !== 'structuredContent') return [null];
  return parsed(value);
}
