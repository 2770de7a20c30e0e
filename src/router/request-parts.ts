import { mayNeedInput } from '../era/input.ts';
import { META } from '../protocol/constants.ts';
import type { Frame } from '../protocol/frame.ts';
import { membersOf, membersOfMessage, valueOf, without, type Member } from '../protocol/json-object.ts';

/** A client's request, read for its translation into the other era. */
export interface RequestParts {
  readonly method: string;
  /** The id's JSON text, so that the answer repeats it digit for digit. */
  readonly idText: Buffer | undefined;
  /** Likewise, of the progress token. */
  readonly tokenText: Buffer | undefined;
  readonly params: readonly Member[];
  readonly meta: readonly Member[];
}

/** Metadata of one revision only: about the client in 2026-07-28, about tasks in 2025-11-25. */
const ENVELOPE: ReadonlySet<string> = new Set([
  META.protocolVersion,
  META.clientCapabilities,
  META.clientInfo,
  META.logLevel,
  META.relatedTask,
]);
/** Parameters of retries and tasks, which the other era does not have. */
const RETRY: ReadonlySet<string> = new Set(['inputResponses', 'requestState', 'task']);

export function readRequest(frame: Frame): RequestParts {
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
