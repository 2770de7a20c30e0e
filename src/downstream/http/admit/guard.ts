import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { RunError } from '../../../errors.ts';

export interface GuardOptions {
  /** The addresses that the HTTP server is bound to; none for requests that come another way. */
  readonly boundTo: () => readonly string[];
  readonly baseUrl: string | undefined;
  readonly allowHost: readonly string[];
  readonly allowOrigin: readonly string[];
  readonly cors: readonly string[];
  /** Not empty: every request has to carry one, which no page of a stranger does. */
  readonly tokens: readonly Uint8Array[];
}

export interface Guard {
  /** @throws RunError `FORBIDDEN_HOST`, `FORBIDDEN_ORIGIN`, `INVALID_REQUEST` */
  check(request: IncomingMessage): void;
  /** The same for a probe, which may name this machine by an address of its private network. Throws the same. */
  checkProbe(request: IncomingMessage): void;
  /** Only the host in the target of a request that may come by any Host. Throws the same. */
  checkTarget(request: IncomingMessage): void;
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);
/** What a browser says of a request that no page of another origin has caused (Fetch Metadata, section 2.3). */
const OWN_SITES: ReadonlySet<string> = new Set(['same-origin', 'none']);

/** Validates Host and Origin against DNS rebinding (2025-11-25, basic/transports, security warning). */
export function createGuard(options: GuardOptions): Guard {
  const hosts = new Set(options.allowHost.map((host) => host.toLowerCase()));
  if (options.baseUrl !== undefined) hosts.add(new URL(options.baseUrl).hostname);
  const origins = new Set([...options.allowOrigin, ...options.cors].map((origin) => origin.toLowerCase()));

  return {
    check: (request) => check(request, isHostAllowed),
    checkProbe: (request) =>
      check(request, (host) => isHostAllowed(host) || isPrivateAddress(hostNameOf(host) ?? '')),
    checkTarget: (request) => checkTarget(request, isHostAllowed),
  };

  function check(request: IncomingMessage, isAllowed: (host: string) => boolean): void {
    checkTarget(request, isAllowed);
    const { origin, 'sec-fetch-site': site } = request.headers;
    const host = hostOf(request);
    if (!isAllowed(host)) throw new RunError('FORBIDDEN_HOST', { host });
    if (origin === undefined) return checkSite(site);
    if (!isOriginAllowed(origin, host)) throw new RunError('FORBIDDEN_ORIGIN', { origin });
  }

  function isHostAllowed(header: string): boolean {
    const host = hostNameOf(header);
    if (host === undefined) return false;
    if (LOOPBACK.has(host) || hosts.has(host) || hosts.has(header.toLowerCase())) return true;
    const bound = options.boundTo();
    // 127.0.0.2 and its like are as local as the names above, and the only ones that reach us there.
    if (isLocal(bound)) return bound.includes(host);
    // Bound to a public address, any name may be ours unless the operator has said which are.
    return options.allowHost.length === 0;
  }

  function isOriginAllowed(origin: string, hostHeader: string): boolean {
    if (origins.has('*') || origins.has(origin.toLowerCase())) return true;
    const host = /^https?:\/\//i.test(origin) ? hostNameOf(origin.replace(/^https?:\/\//i, '')) : undefined;
    if (host === undefined) return false;
    if (LOOPBACK.has(host) || hosts.has(host)) return true;
    const bound = options.boundTo();
    if (isLocal(bound)) return bound.includes(host);
    return host === hostNameOf(hostHeader) && isOurs(host);
  }

  /** A stranger's name may be made to mean our address; an address means what it says. */
  function isOurs(host: string): boolean {
    return options.tokens.length > 0 || isIP(host.replace(/^\[|\]$/g, '')) !== 0;
  }
}

/**
 * A target in absolute form names a host as well (RFC 9112, section 3.2.2): the one that the Host header names.
 * @throws RunError `FORBIDDEN_HOST`, `INVALID_REQUEST`
 */
function checkTarget(request: IncomingMessage, isAllowed: (host: string) => boolean): void {
  const { url: target = '' } = request;
  if (target.startsWith('/') || target === '*') return;
  const [, scheme = '', authority] = /^(https?):\/\/([^/?#]*)/i.exec(target) ?? [];
  if (authority === undefined)
    throw new RunError('INVALID_REQUEST', { detail: 'the request target is neither a path nor a URL' });
  if (!isAllowed(authority)) throw new RunError('FORBIDDEN_HOST', { host: authority });
  if (withPort(authority, scheme) !== withPort(hostOf(request), scheme))
    throw new RunError('INVALID_REQUEST', { detail: 'the request target and Host name different hosts' });
}

/**
 * The host that a request is for; HTTP/2 has it in a field of its own (RFC 9113, section 8.3.1).
 * @throws RunError `INVALID_REQUEST`
 */
function hostOf({ headers }: IncomingMessage): string {
  const { host, ':authority': authority } = headers;
  if (typeof authority !== 'string') return host ?? '';
  if (host === undefined || host.toLowerCase() === authority.toLowerCase()) return authority;
  throw new RunError('INVALID_REQUEST', { detail: 'the request names two hosts' });
}

function withPort(authority: string, scheme: string): string {
  const lower = authority.toLowerCase();
  if (/:\d+$/.test(lower)) return lower;
  return `${lower}:${scheme.toLowerCase() === 'https' ? 443 : 80}`;
}

/**
 * A GET that a page makes without asking, as for an image, has no Origin: then the browser says where the page is from.
 * @throws RunError `FORBIDDEN_ORIGIN`
 */
function checkSite(site: string | string[] | undefined): void {
  if (site === undefined || (typeof site === 'string' && OWN_SITES.has(site))) return;
  throw new RunError('FORBIDDEN_ORIGIN', {
    origin: `unknown (Sec-Fetch-Site: ${String(site).slice(0, 40)})`,
  });
}

/** An address of RFC 1918 or of RFC 4193. Link-local addresses are none, and no name is one. */
function isPrivateAddress(host: string): boolean {
  const address = host.replace(/^\[|\]$/g, '');
  if (isIP(host) === 4) return /^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.)/.test(host);
  return host.startsWith('[') && isIP(address) === 6 && (parseInt(address, 16) & 0xfe00) === 0xfc00;
}

/** Whether only this machine can reach a listener that is bound to these addresses. */
function isLocal(bound: readonly string[]): boolean {
  return bound.length > 0 && bound.every(isLoopback);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** The name in `name:port`, in lower case; undefined if the text is anything else (RFC 9110, section 7.2). */
function hostNameOf(authority: string): string | undefined {
  return /^(\[[\da-f:.]+\]|[\w.-]+)(?::\d{1,5})?$/i.exec(authority)?.[1]?.toLowerCase();
}
