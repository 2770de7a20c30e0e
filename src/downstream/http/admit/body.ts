import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { RunError } from '../../../errors.ts';
import { withoutBom } from '../../../protocol/bom.ts';

/**
 * Has Fastify read JSON bodies of at most `maxBytes` as Buffers, without a byte order mark; parameters of the type make
 * no difference (RFC 8259, section 11). Bodies of other types are errors.
 */
export function readJsonBodies(scope: FastifyInstance, maxBytes: number): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer', bodyLimit: maxBytes },
    (_request, body: Buffer, done) => done(null, withoutBom(body)),
  );
}

/**
 * Checks what the head says about the body. A type without a body means nothing: Fastify does not look for a parser then.
 * @throws RunError `UNSUPPORTED_MEDIA_TYPE` for a compressed body
 */
export function prepareBody(request: IncomingMessage): void {
  const { headers } = request;
  if (!hasBody(request)) {
    delete headers['content-type'];
    return;
  }
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    throw new RunError('UNSUPPORTED_MEDIA_TYPE', { detail: `content-encoding ${encoding}` });
}

/** Whether a body comes with the request (RFC 9112, section 6.3); over HTTP/2 its length may be unknown. */
export function hasBody({ headers, httpVersionMajor }: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': coding } = headers;
  if (httpVersionMajor >= 2 && length === undefined) return true;
  return coding !== undefined || (length !== undefined && length !== '0');
}

/** Translates an error of Fastify's body parser; undefined for any other error. */
export function bodyErrorOf(
  error: unknown,
  { headers }: IncomingMessage,
  maxBytes: number,
): RunError | undefined {
  switch (typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new RunError('BODY_TOO_LARGE', { maxBytes });
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new RunError('UNSUPPORTED_MEDIA_TYPE', { detail: headers['content-type'] ?? 'no content-type' });
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new RunError('INVALID_REQUEST', { detail: 'the body is not as long as its content-length' });
    default:
      return undefined;
  }
}
