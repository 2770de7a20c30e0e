import { listenResult } from '../era/listen.ts';
import { isRunError, type RunError } from '../errors.ts';
import { faultFrame } from '../protocol/fault.ts';
import { frameOf, type Frame, type RequestId } from '../protocol/frame.ts';

/**
 * The answer to a request that its server does not answer any more. A subscription that ends with us ends in good order
 * (2026-07-28, basic/patterns/subscriptions, graceful closure).
 */
export function lastAnswer(id: RequestId, isSubscription: boolean, reason: RunError): Frame {
  return isSubscription && isRunError(reason, 'SHUTTING_DOWN')
    ? frameOf({ id, result: { ...listenResult(id, undefined) } })
    : faultFrame(reason, id);
}
