import type { Parsed } from './units.ts';

/** The forms of plain values that a manifest, a variable and a flag share. */

/** A URL path such as `/mcp`. */
export function parsePath(input: string): Parsed<string> {
  if (!input.startsWith('/')) return { fault: `"${input}" must start with "/"` };
  if (
    !/^(\/[A-Za-z0-9._~-]+)+$/.test(input) ||
    input.split('/').some((part) => part === '.' || part === '..')
  ) {
    return { fault: `"${input}" is not a plain path such as "/mcp"` };
  }
  return { value: input };
}

/** An http or https URL without query or fragment; a trailing slash is dropped. */
export function parseBaseUrl(input: string): Parsed<string> {
  const url = URL.canParse(input) ? new URL(input) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    return { fault: `"${input}" is not an http or https URL` };
  }
  if (url.username !== '' || url.password !== '')
    return { fault: 'a base URL is shown to clients; it must not hold a name or a password' };
  if (url.search !== '' || url.hash !== '')
    return { fault: `"${input}" must not have a query or a fragment` };
  return { value: url.href.replace(/\/+$/, '') };
}

/** A whole number within bounds, also as digits in a string. */
export function parseInteger(input: string | number, min: number, max: number): Parsed<number> {
  const value = typeof input === 'number' ? input : /^-?\d+$/.test(input.trim()) ? Number(input) : Number.NaN;
  if (Number.isInteger(value) && value >= min && value <= max) return { value };
  return { fault: `${JSON.stringify(input)} is not a whole number from ${min} to ${max}` };
}

/** Addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  return bare === 'localhost' || bare === '::1' || /^127(\.\d{1,3}){3}$/.test(bare);
}
