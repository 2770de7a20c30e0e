import type { RunError } from '../errors.ts';
import { frameOf, type Frame, type RequestId } from './frame.ts';

/**
 * A catalogued error as a JSON-RPC error response. `data.reason` is the code in lower case, so that a client can
 * tell a crash from a timeout without reading the text.
 * @param id of the request that it answers. If that is not known: null on a stream of messages (JSON-RPC 2.0,
 * section 5), undefined in the body of an HTTP answer (2025-11-25, basic/transports: "has no id").
 */
export function faultFrame(error: RunError, id: RequestId | null | undefined): Frame {
  return frameOf(id === undefined ? { error: faultBody(error) } : { id, error: faultBody(error) });
}

function faultBody(error: RunError): { code: number; message: string; data: { reason: string } } {
  return { code: error.rpcCode, message: error.message, data: { reason: error.code.toLowerCase() } };
}
