import { frameOf, type Frame, type RequestId } from './frame.ts';

/** The request is not waited for any more (2025-11-25, basic/utilities/cancellation). */
export function cancellationFrame(requestId: RequestId, reason?: string): Frame {
  const params = reason === undefined ? { requestId } : { requestId, reason };
  return frameOf({ method: 'notifications/cancelled', params });
}
