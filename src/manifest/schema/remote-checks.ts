import { isLoopback } from './checks.ts';
import { maskUrl } from '../read/secrets.ts';
import type { Parsed } from './units.ts';

/** The forms of what a manifest and the command line say about remote servers. No message holds a secret. */

/** The URL of a remote server. */
export function parseRemoteUrl(input: string): Parsed<string> {
  const text = input.trim();
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    return { fault: `"${maskUrl(text)}" is not an http or https URL` };
  if (url.username !== '' || url.password !== '')
    return { fault: 'must not hold a name or a password; send an Authorization header instead' };
  if (url.hash !== '') return { fault: `"${maskUrl(text)}" must not have a fragment` };
  return { value: url.href };
}

/** Whether what is sent to this URL can be read on its way. */
export function isExposed(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !isLoopback(hostname);
}

/** The URL of a Client ID Metadata Document (2025-11-25, basic/authorization). */
export function parseClientMetadataUrl(input: string): Parsed<string> {
  const url = URL.canParse(input) ? new URL(input) : undefined;
  if (url?.protocol === 'https:' && url.pathname !== '/' && url.hash === '' && url.username === '')
    return { value: input };
  return { fault: `"${maskUrl(input)}" is not an https URL with a path` };
}

/** A resource indicator (RFC 8707, section 2): absolute, without a fragment. It stays as it is written. */
export function parseResource(input: string | false): Parsed<string | false> {
  if (input === false || input === 'none') return { value: false };
  if (URL.canParse(input) && !input.includes('#')) return { value: input };
  return { fault: `"${maskUrl(input)}" is not an absolute URI without a fragment` };
}

/** An issuer (RFC 8414, section 2), which may be one of Entra ID's templates. It stays as it is written. */
export function parseIssuer(input: string): Parsed<string> {
  const plain = input.replaceAll(/\{\w+\}/g, 'x');
  const url = URL.canParse(plain) ? new URL(plain) : undefined;
  const isIssuer = url?.protocol === 'https:' || url?.protocol === 'http:';
  if (isIssuer && !/[?#\s]/.test(input) && url.username === '') return { value: input };
  return { fault: `"${maskUrl(input)}" is not an http or https URL without a query and a fragment` };
}

/** Where the browser comes back to: this machine, since the way there is not encrypted (RFC 8252, section 7.3). */
export function parseCallbackHost(input: string): Parsed<string> {
  if (isLoopback(input)) return { value: input.replace(/^\[|\]$/g, '') };
  return { fault: `"${input}" is not 127.0.0.1, ::1 or localhost` };
}
