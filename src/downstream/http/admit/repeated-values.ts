import type { IncomingMessage } from 'node:http';
import { RunError } from '../../../errors.ts';
import type { Frame } from '../../../protocol/frame.ts';
import {
  decodeHeader,
  encodeHeader,
  HEADER,
  nameSourceOf,
  PARAMETER_PREFIX,
} from '../../../protocol/mirrored-headers.ts';
import type { HttpCall, RouteContext } from '../route.ts';

/**
 * Checks the headers of a POST of an older revision that repeat its body. None is required, but a proxy in between may
 * have decided by those that are there (2026-07-28, basic/transports/streamable-http, request metadata).
 * @throws RunError `HEADER_MISMATCH`
 */
export function requireRepeated(
  { request, server, principal }: Pick<HttpCall, 'request' | 'server' | 'principal'>,
  frames: readonly Frame[],
  { parameters }: Pick<RouteContext, 'parameters'>,
): void {
  if (!requireSingle(request)) return;
  for (const frame of frames) {
    if (request.headers[HEADER.method] !== undefined) requireMethod(request, frame);
    if (request.headers[HEADER.name] !== undefined) requireName(request, frame);
    if (frame.method === 'tools/call') parameters.requireSent(principal.id, server, frame, request.headers);
  }
}

/**
 * Checks that no such header is there twice: the values would be joined, and a proxy may have read one of them.
 * @returns whether there are any
 * @throws RunError `HEADER_MISMATCH`
 */
export function requireSingle({ rawHeaders }: IncomingMessage): boolean {
  let seen: Set<string> | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? '';
    if (name !== HEADER.method && name !== HEADER.name && !name.startsWith(PARAMETER_PREFIX)) continue;
    if (seen?.has(name) === true) throw mismatch(`there is more than one ${name} header`);
    seen = (seen ?? new Set<string>()).add(name);
  }
  return seen !== undefined;
}

/** @throws RunError `HEADER_MISMATCH` */
export function requireMethod(request: IncomingMessage, { method }: Frame): void {
  requireSame(request, HEADER.method, method === undefined ? undefined : encodeHeader(method));
}

/** @throws RunError `HEADER_MISMATCH` */
export function requireSame(request: IncomingMessage, header: string, expected: string | undefined): void {
  const found = request.headers[header];
  if (found === undefined) throw mismatch(`the ${header} header is required`);
  if (found !== expected)
    throw mismatch(`${header} is ${shown(found)}, and the body says ${shown(expected)}`);
}

/** @throws RunError `HEADER_MISMATCH` */
export function requireName(request: IncomingMessage, { method = '', message }: Frame): void {
  const source = nameSourceOf(method);
  if (source === undefined) return;
  const expected = message.params?.[source];
  const found = request.headers[HEADER.name];
  if (found === undefined) {
    // A body without it is for the server to refuse.
    if (typeof expected !== 'string') return;
    throw mismatch(`the ${HEADER.name} header is required for ${method}`);
  }
  const name = decodeHeader(String(found));
  if (name === undefined) throw mismatch(`${HEADER.name} is not well-formed: ${shown(found)}`);
  if (name !== expected) {
    throw mismatch(`${HEADER.name} is ${shown(name)}, and params.${source} is ${shown(expected)}`);
  }
}

export function mismatch(detail: string): RunError {
  return new RunError('HEADER_MISMATCH', { detail });
}

/** What a client sent, in an answer to that client; it may be nested too deeply to be written. */
function shown(value: unknown): string {
  if (typeof value !== 'string') return value === undefined ? 'missing' : 'no text';
  return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value);
}
