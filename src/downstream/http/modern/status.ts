import { ERRORS } from '../../../errors.ts';
import { RPC } from '../../../protocol/constants.ts';
import type { Frame } from '../../../protocol/frame.ts';

const ERROR_KEY = Buffer.from('"error"');
/** Errors that the status tells as well (2026-07-28, basic/transports/streamable-http and basic/index). */
const STATUSES: ReadonlyMap<unknown, number> = new Map([
  [RPC.methodNotFound, 404],
  [RPC.headerMismatch, 400],
  [RPC.missingClientCapability, 400],
  [RPC.unsupportedProtocolVersion, 400],
]);
/** Reasons of ours for having no room; every other failure of a request that was taken is in-band. */
const OVERLOADS: ReadonlySet<unknown> = new Set(
  Object.entries(ERRORS).flatMap(([code, { httpStatus }]) =>
    httpStatus === 503 ? [code.toLowerCase()] : [],
  ),
);

/** The HTTP status of an answer that is one response and nothing else. */
export function statusOf(response: Frame): number {
  const error = errorOf(response);
  const status = STATUSES.get(memberOf(error, 'code'));
  if (status !== undefined) return status;
  return OVERLOADS.has(memberOf(memberOf(error, 'data'), 'reason')) ? 503 : 200;
}

/** A response may be large: it is parsed only if it may be an error. */
function errorOf(response: Frame): unknown {
  const { buffer, byteOffset, length } = response.bytes;
  if (!Buffer.from(buffer, byteOffset, length).includes(ERROR_KEY)) return undefined;
  try {
    return response.message.error;
  } catch {
    // Its ends looked like a message: what it is worth is for the client to find out.
    return undefined;
  }
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
