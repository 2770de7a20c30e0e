import type { FastifyCorsOptions, FastifyCorsOptionsDelegateCallback } from '@fastify/cors';
import type { FastifyInstance, FastifyRequest } from 'fastify';
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
  // Preflights meet admission as well, and the path answers them.
  preflightContinue: true,
};

/**
 * Adds the hook of `@fastify/cors` to a scope. It runs before admission, so that a page can read why it was rejected;
 * preflights have no token.
 * @param origins that are open; `*` stands for all
 */
export async function addCors(
  scope: FastifyInstance,
  origins: readonly string[],
  admission: Pick<Admission, 'isFromAllowedSite'>,
): Promise<void> {
  const { default: fastifyCors } = await import('@fastify/cors');
  // The plugin also declares `OPTIONS *`, which would answer preflights for all other routes of an application. The
  // paths of this scope have the method themselves.
  const withoutRoute: FastifyInstance = Object.create(scope, { options: { value: () => withoutRoute } });
  await new Promise<void>((resolve, reject) => {
    fastifyCors(withoutRoute, { delegator: corsFor(origins, admission) }, (error) =>
      error === undefined ? resolve() : reject(error),
    );
  });
}

/** Options of `@fastify/cors` for each request. */
function corsFor(
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
