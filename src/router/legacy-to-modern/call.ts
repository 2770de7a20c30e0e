import type { RunError } from '../../errors.ts';
import { faultViews, withParentView } from '../../protocol/fault.ts';
import { frameFromBytes, type Frame, type RequestId } from '../../protocol/frame.ts';
import { member, writeObject, type Member } from '../../protocol/json-object.ts';
import { Progress } from './progress.ts';
import { readRequest, type RequestParts } from '../request-parts.ts';

/** A client's request until its single answer; to the server it may be several requests, one after the other. */
export interface Call {
  /** The client's. */
  readonly id: RequestId;
  readonly request: RequestParts;
  readonly progress: Progress;
  /** Of the request that the server has yet to answer, if there is one. */
  upstreamId: number | undefined;
}

export function createCall(frame: Frame, id: RequestId): Call {
  const request = readRequest(frame);
  return { id, request, progress: new Progress(request.tokenText), upstreamId: undefined };
}

/** @param outcome the member `result` or `error` */
export function answerFrame({ id, request }: Call, outcome: Member): Frame {
  const idMember = request.idText === undefined ? member('id', id) : { key: 'id', value: request.idText };
  const bytes = writeObject([member('jsonrpc', '2.0'), idMember, outcome]);
  return frameFromBytes('response', bytes, id, undefined);
}

/** An error response of ours. */
export function faultAnswer(call: Call, error: RunError): Frame {
  const { network, parent } = faultViews(error);
  return withParentView(answerFrame(call, member('error', network)), () =>
    answerFrame(call, member('error', parent)),
  );
}

/** The answer to a call that failed on the way, in the form that reaches its caller: of a tool, that is often a model. */
export function failureAnswer(call: Call, error: RunError): Frame {
  if (call.request.method !== 'tools/call') return faultAnswer(call, error);
  const result = (text: string): Frame =>
    answerFrame(call, member('result', { content: [{ type: 'text', text }], isError: true }));
  return withParentView(result(error.publicMessage), () => result(error.message));
}
