import type { IncomingMessage } from 'node:http';
import { readEnvelope } from '../../../era/envelope.ts';
import { RunError } from '../../../errors.ts';
import { isLegacyRevision, META, MODERN_REVISION } from '../../../protocol/constants.ts';
import type { Frame } from '../../../protocol/frame.ts';
import { HEADER } from '../../../protocol/mirrored-headers.ts';
import {
  mismatch,
  requireMethod,
  requireName,
  requireSame,
  requireSingle,
} from '../admit/repeated-values.ts';

/**
 * Whether a POST is of revision 2026-07-28: its header says so, or the metadata of its message does (2026-07-28,
 * basic/versioning: a dual-era server selects its behavior from how the client opens).
 */
export function isModern(request: IncomingMessage, body: Frame | readonly Frame[]): boolean {
  if (isModernHead(request)) return true;
  return 'bytes' in body ? claimsModern(body) : body.some(claimsModern);
}

/** Whether the head of a request says so; an older revision's header does not settle what its body claims. */
export function isModernHead(request: IncomingMessage): boolean {
  return request.headers[HEADER.protocolVersion] === MODERN_REVISION;
}

/** Some clients tell an older revision in the same place, and are what they say. */
function claimsModern(frame: Frame): boolean {
  const version = claimedVersion(frame);
  if (version === undefined) return false;
  return frame.method === 'initialize' ? version === MODERN_REVISION : !isLegacyRevision(version);
}

/**
 * Checks a request's metadata and the headers that repeat it.
 * @throws RunError `INVALID_METADATA`, `HEADER_MISMATCH`, `UNSUPPORTED_REVISION`, `METHOD_NOT_FOUND`
 */
export function requireModernRequest(request: IncomingMessage, frame: Frame): void {
  const { method = '', message } = frame;
  requireSingle(request);
  if (method === 'initialize' && claimedVersion(frame) === undefined) {
    throw mismatch(
      `initialize is of the revisions up to 2025-11-25, ${HEADER.protocolVersion} says otherwise`,
    );
  }
  const version = claimedVersion(frame);
  if (typeof version !== 'string') {
    throw new RunError('INVALID_METADATA', { detail: `_meta needs the string ${META.protocolVersion}` });
  }
  requireSame(request, HEADER.protocolVersion, version);
  requireSupported(version);
  const reading = readEnvelope(message);
  if ('fault' in reading) throw new RunError('INVALID_METADATA', { detail: reading.fault });
  requireMethod(request, frame);
  requireName(request, frame);
  if (method === 'initialize') {
    throw new RunError('METHOD_NOT_FOUND', { method, why: `; revision ${MODERN_REVISION} has no handshake` });
  }
}

/**
 * Checks what a notification says of itself; nothing is required of it (2026-07-28, basic/transports/streamable-http:
 * header requirements for notifications are not defined).
 * @throws RunError `HEADER_MISMATCH`, `UNSUPPORTED_REVISION`
 */
export function requireModernNotification(request: IncomingMessage, frame: Frame): void {
  requireSingle(request);
  const version = claimedVersion(frame);
  if (version !== undefined) {
    if (request.headers[HEADER.protocolVersion] !== undefined)
      requireSame(request, HEADER.protocolVersion, String(version));
    requireSupported(String(version));
  }
  if (request.headers[HEADER.method] !== undefined) requireMethod(request, frame);
}

function claimedVersion({ message }: Frame): unknown {
  const meta = message.params?.['_meta'];
  return typeof meta === 'object' && meta !== null && META.protocolVersion in meta
    ? meta[META.protocolVersion]
    : undefined;
}

function requireSupported(requested: string): void {
  if (requested !== MODERN_REVISION)
    throw new RunError('UNSUPPORTED_REVISION', { requested, supported: MODERN_REVISION });
}
