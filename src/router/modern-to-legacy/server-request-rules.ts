import { RunError } from '../../errors.ts';
import { missingCapability } from '../../era/capabilities.ts';
import { isInputMethod, mayNeedInput } from '../../era/input.ts';
import { isJson, jsonOf, type Json } from '../../era/json.ts';
import { META } from '../../protocol/constants.ts';
import { faultFrame } from '../../protocol/fault.ts';
import { frameOf, type Frame, type RequestId } from '../../protocol/frame.ts';
import type { PendingCall, ServerRequest } from './pending-call.ts';

/** Server requests of one call that may be open at once. */
export const MAX_OPEN = 8;

/** Why a server request is rejected before it reaches the client; undefined if it is not. */
export function rejectionReason(capabilities: Json, method: string, params: Json): RunError | undefined {
  if (!isInputMethod(method)) return new RunError('CLIENT_CANNOT', { method });
  const missing = missingCapability(capabilities, method, params);
  if (missing !== undefined) {
    // The client has the capability, but not all that the server uses of it.
    const isPart = Object.keys(missing).every((name) => isJson(capabilities[name]));
    return isPart
      ? new RunError('INVALID_PARAMS', { detail: `the client has not declared ${JSON.stringify(missing)}` })
      : new RunError('CLIENT_CANNOT', { method });
  }
  const { url } = params;
  if (params['mode'] !== 'url' || (typeof url === 'string' && /^https?:\/\//i.test(url))) return undefined;
  return new RunError('INVALID_PARAMS', { detail: 'the URL is not one of HTTP' });
}

/**
 * The call that a server request belongs to. Over stdio only a related task names it (2025-11-25, basic/transports); all calls of a process are of one client, so that a wrong guess reaches the same client.
 * @param relatedRequestId the call that it came with, where the link knows
 */
export function ownerOf(
  calls: Iterable<PendingCall>,
  params: Json,
  relatedRequestId?: RequestId,
): PendingCall | undefined {
  const taskId = jsonOf(jsonOf(params['_meta'])[META.relatedTask])['taskId'];
  let running: PendingCall | undefined;
  let suspended: PendingCall | undefined;
  for (const call of calls) {
    if (typeof call.task === 'object' && call.task.id === taskId) return call;
    // An answered call sends no more requests.
    if (!mayNeedInput(call.request.method) || call.final !== undefined) continue;
    if (relatedRequestId !== undefined) {
      if (call.number === relatedRequestId) return call;
    } else if (call.hasSlot) running = call;
    // A running call without a slot has not been sent to the server yet.
    else if (call.state !== 'running') suspended = call;
  }
  // The newest running call; without one, a further request of a call that has sent one before.
  return running ?? suspended;
}

/** The answer to a server request that its client has not answered in time. */
export function expiredAnswer({ id, method }: ServerRequest): Frame {
  return method === 'elicitation/create'
    ? frameOf({ id, result: { action: 'cancel' } })
    : faultFrame(new RunError('INPUT_EXPIRED', { method }), id);
}
