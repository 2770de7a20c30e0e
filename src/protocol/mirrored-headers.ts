/** What HTTP headers repeat of a request's body (2026-07-28, basic/transports/streamable-http, request metadata). */
import { isUtf8 } from 'node:buffer';

export const HEADER = {
  protocolVersion: 'mcp-protocol-version',
  method: 'mcp-method',
  name: 'mcp-name',
} as const;

/** With the name that a tool gives one of its parameters behind it. */
export const PARAMETER_PREFIX = 'mcp-param-';

/** A parameter of a tool that a header repeats. */
export interface ParameterHeader {
  /** Lower case, with its prefix. */
  readonly header: string;
  /** Keys from the root of the arguments. */
  readonly path: readonly string[];
  readonly isInteger: boolean;
}

/** More than any tool needs; what is behind it is as if it were not annotated. */
const MAX_DEPTH = 32;
const NAME_SOURCES: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  // The tasks extension (SEP-2663, Streamable HTTP).
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);
const PRIMITIVES: ReadonlySet<unknown> = new Set(['string', 'integer', 'boolean']);
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;
const SENTINEL = /^=\?base64\?(.*)\?=$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** All parameters that `Mcp-Name` may repeat. */
export const NAME_PARAMETERS: readonly string[] = [...new Set(NAME_SOURCES.values())];

/** The parameter that `Mcp-Name` repeats; undefined for methods without one. */
export function nameSourceOf(method: string): string | undefined {
  return NAME_SOURCES.get(method);
}

/** A value as a header may carry it. */
export function encodeHeader(value: string): string {
  const isPlain = /^[\x20-\x7e]*$/.test(value) && value.trim() === value && !SENTINEL.test(value);
  return isPlain ? value : `=?base64?${Buffer.from(value).toString('base64')}?=`;
}

/** @returns what a header's value stands for; undefined if it is not well-formed. */
export function decodeHeader(value: string): string | undefined {
  if (!/^[\t\x20-\x7e]*$/.test(value)) return undefined;
  const encoded = SENTINEL.exec(value)?.[1];
  if (encoded === undefined) return value;
  const bytes = Buffer.from(encoded, 'base64');
  return BASE64.test(encoded) && isUtf8(bytes) ? bytes.toString() : undefined;
}

/** The text that stands for a parameter's value; undefined for what no header repeats. */
export function headerTextOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  return Number.isSafeInteger(value) ? String(value) : undefined;
}

/** The value of an annotated parameter in the arguments of a call; undefined if there is none. */
export function parameterAt(args: unknown, path: readonly string[]): unknown {
  let value = args;
  for (const key of path) {
    if (!isObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value ?? undefined;
}

/**
 * The headers that a tool's `inputSchema` asks for with `x-mcp-header`.
 * @returns undefined if the annotations break the rules, and with them the tool's definition.
 */
export function parameterHeadersOf(inputSchema: unknown): readonly ParameterHeader[] | undefined {
  const found: ParameterHeader[] = [];
  const isValid = collect(inputSchema, [], found);
  const names = new Set(found.map(({ header }) => header));
  return isValid && names.size === found.length ? found : undefined;
}

function collect(schema: unknown, path: readonly string[], found: ParameterHeader[]): boolean {
  if (!isObject(schema) || path.length > MAX_DEPTH) return true;
  const name = Object.hasOwn(schema, 'x-mcp-header') ? schema['x-mcp-header'] : undefined;
  if (name !== undefined) {
    const isAllowed = typeof name === 'string' && TOKEN.test(name) && PRIMITIVES.has(schema['type']);
    if (!isAllowed || path.length === 0) return false;
    found.push({
      header: PARAMETER_PREFIX + name.toLowerCase(),
      path,
      isInteger: schema['type'] === 'integer',
    });
  }
  const { properties } = schema;
  if (!isObject(properties)) return true;
  return Object.entries(properties).every(([key, inner]) => collect(inner, [...path, key], found));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
