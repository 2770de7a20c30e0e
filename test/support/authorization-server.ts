/** An authorization server and the MCP server that it protects, on one loopback port. */
import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Json } from './json.ts';

export interface AuthorizationServer {
  /** Also its issuer. */
  readonly origin: string;
  /** The MCP server's. */
  readonly url: string;
  /** Everything it was asked, in order. */
  readonly requests: readonly Recorded[];
  /** May be changed while it runs. */
  readonly rules: Rules;
  /** Requests to one path. */
  to(path: string): Recorded[];
  isValid(token: string): boolean;
  /** No token of before is good any more; what renews them still is. */
  revokeAccess(): void;
}

export interface Recorded {
  readonly method: string;
  readonly path: string;
  readonly params: URLSearchParams;
  readonly body: Json;
  readonly headers: IncomingMessage['headers'];
}

export interface Rules {
  /** Members of its metadata that differ from the usual; null: without metadata. */
  metadata: Json | null;
  resourceMetadata: Json | null;
  /** Of the well-known documents, in place of the usual. */
  paths: { metadata: string; resourceMetadata: string };
  /** Path → where it redirects to. */
  redirects: Partial<Record<string, string>>;
  /** Path → an answer in place of the usual. */
  answers: Partial<Record<string, Raw>>;
  /** Members of a token response that differ from the usual. */
  token: Json;
  /** Requests with a `resource` are rejected. */
  rejectsResource: boolean;
  /** Refresh tokens may be used more than once. */
  keepsRefreshTokens: boolean;
  /** The form of a token response, in place of JSON. */
  encode: ((answer: Json) => Raw) | undefined;
  /** An OAuth error code, for each grant. */
  refuses: Partial<Record<string, { status: number; error: string }>>;
  /** What the browser brings back besides code and state, or in place of them. */
  callback: Record<string, string>;
  /** Scopes that the MCP server wants. */
  needs: string;
  /** The challenge to a request without a good token. @param pointer to the resource metadata */
  challenge: ((pointer: string) => string | undefined) | undefined;
  /** Whether the MCP server takes a token; by default those that were issued here. */
  accepts: ((token: string) => boolean) | undefined;
  /** The scopes of a token, in place of those that were asked for. */
  grants: ((asked: string) => string) | undefined;
  /** What the MCP server answers to a request, if that is to be more than 200. */
  mcp: ((message: Json) => Json) | undefined;
  /** Members of a registration's answer. */
  registration: Json;
}

/** An answer to the letter. */
export interface Raw {
  readonly status?: number;
  readonly type?: string;
  readonly body: string;
}

/** PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

interface Grant {
  readonly clientId: string;
  readonly scope: string;
  readonly challenge: string;
  readonly redirectUri: string;
}

const METADATA = '/.well-known/oauth-authorization-server';
const RESOURCE_METADATA = '/.well-known/oauth-protected-resource/mcp';

/** @param certificate of its own, to be reached by https */
export async function startAuthorizationServer(
  changes: Partial<Rules> = {},
  certificate?: Certificate,
): Promise<AuthorizationServer> {
  const rules: Rules = {
    metadata: {},
    resourceMetadata: {},
    paths: { metadata: METADATA, resourceMetadata: RESOURCE_METADATA },
    redirects: {},
    answers: {},
    token: {},
    rejectsResource: false,
    keepsRefreshTokens: false,
    encode: undefined,
    refuses: {},
    callback: {},
    needs: '',
    challenge: undefined,
    accepts: undefined,
    grants: undefined,
    mcp: undefined,
    registration: {},
    ...changes,
  };
  const requests: Recorded[] = [];
  const codes = new Map<string, Grant>();
  const refreshTokens = new Map<string, string>();
  const accessTokens = new Map<string, string>();
  let origin = '';

  const listener: RequestListener = (request, response) => {
    void record(request).then((recorded) => {
      requests.push(recorded);
      answer(recorded, response);
    });
  };
  const http = certificate === undefined ? createServer(listener) : createTlsServer(certificate, listener);
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;
  origin = `${certificate === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
  onTestFinished(() => {
    http.closeAllConnections();
    http.close();
  });
  return {
    origin,
    url: `${origin}/mcp`,
    requests,
    rules,
    to: (path) => requests.filter((each) => each.path === path),
    isValid: (token) => accessTokens.has(token),
    revokeAccess: () => accessTokens.clear(),
  };

  function answer(request: Recorded, response: ServerResponse): void {
    const { path } = request;
    const location = rules.redirects[path];
    if (location !== undefined) return void response.writeHead(307, { location }).end();
    const raw = rules.answers[path];
    if (raw !== undefined) return write(response, raw);
    if (path === rules.paths.metadata && rules.metadata !== null) return json(response, 200, metadata());
    if (path === rules.paths.resourceMetadata && rules.resourceMetadata !== null)
      return json(response, 200, resourceMetadata());
    if (path === '/register') return register(request, response);
    if (path === '/authorize') return authorize(request, response);
    if (path === '/token') return token(request, response);
    if (path === '/revoke') return json(response, 200, {});
    if (['/mcp', '/mcp/', '/'].includes(path)) return serve(request, response);
    return json(response, 404, {});
  }

  function metadata(): Json {
    return {
      issuer: origin,
      authorization_endpoint: `${origin}/authorize`,
      token_endpoint: `${origin}/token`,
      registration_endpoint: `${origin}/register`,
      response_types_supported: ['code'],
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: ['none', 'client_secret_basic', 'client_secret_post'],
      ...rules.metadata,
    };
  }

  function resourceMetadata(): Json {
    return { resource: `${origin}/mcp`, authorization_servers: [origin], ...rules.resourceMetadata };
  }

  function register({ body }: Recorded, response: ServerResponse): void {
    json(response, 201, { ...body, client_id: `client-${randomUUID()}`, ...rules.registration });
  }

  function authorize({ params }: Recorded, response: ServerResponse): void {
    if (rules.rejectsResource && params.has('resource')) return json(response, 400, {});
    const code = randomUUID();
    const redirectUri = params.get('redirect_uri') ?? '';
    codes.set(code, {
      clientId: params.get('client_id') ?? '',
      scope: params.get('scope') ?? '',
      challenge: params.get('code_challenge') ?? '',
      redirectUri,
    });
    const callback = new URL(redirectUri);
    const back = { code, state: params.get('state') ?? '', ...rules.callback };
    for (const [name, value] of Object.entries(back))
      if (value !== '') callback.searchParams.set(name, value);
    response.writeHead(302, { location: callback.href }).end();
  }

  function token({ params }: Recorded, response: ServerResponse): void {
    const grant = params.get('grant_type') ?? '';
    const refused = rules.refuses[grant];
    if (rules.rejectsResource && params.has('resource'))
      return json(response, 400, { error: 'invalid_target' });
    if (refused !== undefined) return json(response, refused.status, { error: refused.error });
    if (grant === 'refresh_token') {
      const scope = refreshTokens.get(params.get('refresh_token') ?? '');
      if (scope === undefined) return json(response, 400, { error: 'invalid_grant' });
      // Each is good once.
      if (!rules.keepsRefreshTokens) refreshTokens.delete(params.get('refresh_token') ?? '');
      return issue(response, scope, true);
    }
    if (grant === 'client_credentials') return issue(response, params.get('scope') ?? '', false);
    const held = codes.get(params.get('code') ?? '');
    const verifier = createHash('sha256')
      .update(params.get('code_verifier') ?? '')
      .digest('base64url');
    if (held === undefined || held.challenge !== verifier || held.redirectUri !== params.get('redirect_uri'))
      return json(response, 400, { error: 'invalid_grant' });
    codes.delete(params.get('code') ?? '');
    return issue(response, held.scope, true);
  }

  function issue(response: ServerResponse, asked: string, isRenewable: boolean): void {
    const scope = rules.grants?.(asked) ?? asked;
    const access = `access-${randomUUID()}`;
    const refresh = `refresh-${randomUUID()}`;
    accessTokens.set(access, scope);
    if (isRenewable) refreshTokens.set(refresh, scope);
    const answer = {
      access_token: access,
      token_type: 'Bearer',
      expires_in: 3600,
      ...(scope !== '' && { scope }),
      ...(isRenewable && { refresh_token: refresh }),
      ...rules.token,
    };
    if (rules.encode === undefined) return json(response, 200, answer);
    return write(response, rules.encode(answer));
  }

  function serve({ method, headers, body }: Recorded, response: ServerResponse): void {
    const token = headers.authorization?.replace(/^Bearer /, '') ?? '';
    const pointer = `resource_metadata="${origin}${rules.paths.resourceMetadata}"`;
    if (!(rules.accepts ?? ((each) => accessTokens.has(each)))(token) || token === '') {
      const challenge = rules.challenge === undefined ? `Bearer ${pointer}` : rules.challenge(pointer);
      if (challenge !== undefined) response.setHeader('www-authenticate', challenge);
      return json(response, 401, {});
    }
    const held = accessTokens.get(token)?.split(' ') ?? [];
    if (rules.needs.split(' ').some((each) => each !== '' && !held.includes(each))) {
      response.setHeader(
        'www-authenticate',
        `Bearer error="insufficient_scope", scope="${rules.needs}", ${pointer}`,
      );
      return json(response, 403, {});
    }
    if (rules.mcp === undefined) return json(response, 200, {});
    if (method !== 'POST') return json(response, 405, {});
    if (body['id'] === undefined) return json(response, 202, {});
    return json(response, 200, { jsonrpc: '2.0', id: body['id'], ...rules.mcp(body) });
  }
}

async function record(request: IncomingMessage): Promise<Recorded> {
  const url = new URL(request.url ?? '', 'http://server');
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const isForm = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true;
  return {
    method: request.method ?? '',
    path: url.pathname,
    params: isForm ? new URLSearchParams(text) : url.searchParams,
    body: isForm || text === '' ? {} : (JSON.parse(text) as Json),
    headers: request.headers,
  };
}

function write(response: ServerResponse, { status = 200, type, body }: Raw): void {
  response.writeHead(status, type === undefined ? {} : { 'content-type': type }).end(body);
}

function json(response: ServerResponse, status: number, body: Json): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
