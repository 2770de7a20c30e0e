import type { Endpoints } from '../../gateway/endpoints.ts';
import { maskUrl } from '../../manifest/read/secrets.ts';
import type { Manifest } from '../../manifest/settings.ts';

/** What a person or a program needs to know to connect a client. */
export interface Connection {
  readonly names: readonly string[];
  readonly source: string;
  /** Absent when nothing listens. */
  readonly url: string | undefined;
  readonly stdio: boolean;
  readonly endpoints: readonly Endpoint[];
  /** The servers that run elsewhere; URLs without their secrets. */
  readonly remote: readonly { readonly name: string; readonly url: string }[];
  /** For a client's configuration file; absent when there is nothing to paste. */
  readonly snippet: Snippet | undefined;
  /** A command line that makes a first call. */
  readonly curl: string | undefined;
}

interface Endpoint {
  readonly name: string;
  readonly kind: 'http' | 'sse';
  readonly url: string;
}

interface Snippet {
  readonly mcpServers: Readonly<Record<string, SnippetEntry>>;
}

interface SnippetEntry {
  readonly type: 'http' | 'sse';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Tokens are never shown, and we no longer have them: these stand where one goes. */
const PLACEHOLDER = { headers: { Authorization: 'Bearer YOUR_TOKEN' } };
const CURL_TOKEN = ` -H "authorization: Bearer $MCP_RUN_TOKEN"`;

export function describeConnection(listening: Endpoints, { source, tokens, servers }: Manifest): Connection {
  const needsToken = tokens.length > 0;
  const endpoints = listening.servers.flatMap(({ name, http, sse }): Endpoint[] => [
    ...(http === undefined ? [] : [{ name, kind: 'http' as const, url: http }]),
    ...(sse === undefined ? [] : [{ name, kind: 'sse' as const, url: sse }]),
  ]);
  return {
    names: listening.servers.map(({ name }) => name),
    source,
    url: listening.url,
    stdio: listening.transports.includes('stdio'),
    endpoints,
    remote: servers.flatMap(({ name, target }) =>
      target.kind === 'remote' ? [{ name, url: maskUrl(target.url) }] : [],
    ),
    snippet: endpoints.length === 0 ? undefined : snippetOf(endpoints, needsToken),
    curl: curlFor(endpoints, needsToken ? CURL_TOKEN : ''),
  };
}

/** One entry a server: Streamable HTTP where it is served, because it is what current clients prefer. */
function snippetOf(endpoints: readonly Endpoint[], needsToken: boolean): Snippet {
  const mcpServers: Record<string, SnippetEntry> = Object.create(null);
  for (const { name, kind, url } of endpoints.toReversed()) {
    if (kind === 'http' || mcpServers[name] === undefined) {
      mcpServers[name] = { type: kind, url, ...(needsToken ? PLACEHOLDER : {}) };
    }
  }
  return { mcpServers: Object.fromEntries(Object.entries(mcpServers).toReversed()) };
}

const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'curl', version: '1' } },
};

function curlFor(endpoints: readonly Endpoint[], token: string): string | undefined {
  const http = endpoints.find(({ kind }) => kind === 'http');
  if (http === undefined) return endpoints[0] && `curl -N ${endpoints[0].url}${token}`;
  const headers = `-H 'content-type: application/json' -H 'accept: application/json, text/event-stream'`;
  return `curl -s ${http.url} ${headers}${token} -d '${JSON.stringify(INITIALIZE)}'`;
}
