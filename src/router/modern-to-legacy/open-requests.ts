import { RunError } from '../../errors.ts';
import { missingCapability } from '../../era/capabilities.ts';
import { isInputMethod, mayNeedInput } from '../../era/input.ts';
import { isJson, type Json } from '../../era/json.ts';
import { META } from '../../protocol/constants.ts';
import type { RequestId } from '../../protocol/frame.ts';
import type { PendingCall, ServerRequest } from './pending-call.ts';

/** Questions of one call that may be open at once. */
export const MAX_OPEN = 8;

/** Why a server may not ask this, undefined if it may; decided before anybody is bothered. */
export function rejectionReason(capabilities: Json, method: string, params: Json): RunError | undefined {
  if (!isInputMethod(method)) return new RunError('CLIENT_CANNOT', { method });
  const missing = missingCapability(capabilities, method, params);
  if (missing !== undefined) {
    // It knows of the capability, and has taken it for more than it is.
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
 * Whose doing a server's request is: stdio does not say (2025-11-25, basic/transports), unless it belongs to a task. All
 * calls of a process are of one client, so that a wrong guess stays in the family.
 * @param relatedRequestId the call that it came with, where the link knows
 */
export function ownerOf(
  calls: Iterable<PendingCall>,
  params: Json,
  relatedRequestId?: RequestId,
): PendingCall | undefined {
  const meta = params['_meta'];
  const related = isJson(meta) ? meta[META.relatedTask] : undefined;
  const taskId = isJson(related) ? related['taskId'] : undefined;
  let running: PendingCall | undefined;
  let parked: PendingCall | undefined;
  for (const call of calls) {
    if (typeof call.task === 'object' && call.task.id === taskId) return call;
    // One that is answered has nothing more to ask.
    if (!mayNeedInput(call.request.method) || call.final !== undefined) continue;
    if (relatedRequestId !== undefined) {
      if (call.number === relatedRequestId) return call;
    } else if (call.hasSlot) running = call;
    // Whoever waits for the slot has asked for nothing yet.
    else if (call.waiting === undefined) parked = call;
  }
  // The newest of those that run; none does: a second question of one that has asked before.
  return running ?? parked;
}

/** What the server gets for a question that its client will not answer. */
export function lateAnswer({
  method,
}: ServerRequest): { readonly result: Json } | { readonly error: RunError } {
  return method === 'elicitation/create'
    ? { result: { action: 'cancel' } }
    : { error: new RunError('INPUT_EXPIRED', { method }) };
}
