import type { RunError } from '../errors.ts';
import { MODERN_REVISION } from './constants.ts';
import { frameOf, type Frame, type RequestId } from './frame.ts';

/**
 * A catalogued error as a JSON-RPC error response. `data.reason` is the code in lower case, so that a client can
 * tell a crash from a timeout without reading the text.
 * @param id of the request that it answers. If that is not known: null on a stream of messages (JSON-RPC 2.0,
 * section 5), undefined in the body of an HTTP answer (2025-11-25, basic/transports: "has no id"). A request that was
 * refused unread may still have shown its id, which is then the one.
 * @param withStderr adds a server's last words; they may hold paths and secrets, so they are not for everyone
 */
export function faultFrame(error: RunError, id: RequestId | null | undefined, withStderr = false): Frame {
  const fault = faultBody(error, withStderr);
  const known = id ?? error.requestId ?? id;
  return frameOf(known === undefined ? { error: fault } : { id: known, error: fault });
}

interface Fault {
  code: number;
  message: string;
  data: { reason: string; hint?: string; stderr?: string; supported?: readonly string[]; requested?: string };
}

function faultBody(error: RunError, withStderr: boolean): Fault {
  const { hint, stderr } = error.fields;
  const data: Fault['data'] = { reason: error.code.toLowerCase() };
  // A hint that was found for this very failure; those of the catalogue are for whoever runs mcp-run.
  if (typeof hint === 'string') data.hint = hint;
  // What a client chooses its next attempt by (2026-07-28, schema, UnsupportedProtocolVersionError).
  if (error.code === 'UNSUPPORTED_REVISION')
    Object.assign(data, { supported: [MODERN_REVISION], requested: error.fields['requested'] });
  if (withStderr && typeof stderr === 'string' && stderr !== '') data.stderr = stderr;
  // What a bug of ours says about itself is for the log, not for whoever has found it.
  const text = error.code === 'INTERNAL' ? 'Internal error' : error.message;
  const message = data.hint === undefined ? text : `${text}. ${data.hint}`;
  return { code: error.rpcCode, message, data };
}
