import type { FastifyCorsOptions, FastifyCorsOptionsDelegateCallback } from '@fastify/cors';
import type { FastifyRequest } from 'fastify';
import type { Admission } from './admission.ts';

const ALLOWED_HEADERS = [
  'Accept',
  'Authorization',
  'Content-Type',
  'Last-Event-ID',
  'Mcp-Method',
  'Mcp-Name',
  'MCP-Protocol-Version',
  'Mcp-Session-Id',
];
/** Where a page of an allowed origin may not read the answer. */
const CLOSED: FastifyCorsOptions = { origin: false };
const OPEN: FastifyCorsOptions = {
  origin: true,
  methods: ['GET', 'POST', 'DELETE', 'OPTIONS'],
  exposedHeaders: ['Mcp-Session-Id', 'Retry-After', 'WWW-Authenticate'],
  maxAge: 86_400,
  strictPreflight: false,
};

/**
 * Options of `@fastify/cors` for each request. Its hook runs before admission, so that a page can read why it was
 * rejected; preflights have no token.
 * @param origins that are open; `*` stands for all
 */
export function corsFor(
  origins: readonly string[],
  admission: Pick<Admission, 'isFromAllowedSite'>,
): FastifyCorsOptionsDelegateCallback {
  const allowed = new Set(origins.map((origin) => origin.toLowerCase()));

  return (request, callback) => {
    const { origin } = request.headers;
    const isOpen =
      origin !== undefined &&
      (allowed.has('*') || allowed.has(origin.toLowerCase())) &&
      admission.isFromAllowedSite(request);
    callback(
      null,
      isOpen ? { ...OPEN, allowedHeaders: [...ALLOWED_HEADERS, ...parametersIn(request)] } : CLOSED,
    );
  };
}

/** Headers that tools name themselves have to be requested; there is no wildcard for requests with credentials. */
function parametersIn({ headers }: FastifyRequest): string[] {
  const requested = headers['access-control-request-headers']?.split(',') ?? [];
  return requested.map((name) => name.trim()).filter((name) => /^mcp-param-[\w!#$%&'*+.^`|~-]+$/i.test(name));
}
