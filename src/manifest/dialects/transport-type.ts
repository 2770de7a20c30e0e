import { stringOf, type Node } from '../read/node.ts';

/** The spellings of transports, without case and separators. */
const TRANSPORTS = new Map([
  ['stdio', 'stdio'],
  ['local', 'stdio'],
  ['command', 'stdio'],
  ['process', 'stdio'],
  ['subprocess', 'stdio'],
  ['http', 'http'],
  ['https', 'http'],
  ['streamable', 'http'],
  ['streamablehttp', 'http'],
  ['httpstreamable', 'http'],
  ['httpstream', 'http'],
  ['httpstreaming', 'http'],
  ['streaminghttp', 'http'],
  ['sse', 'sse'],
  ['httpsse', 'sse'],
  ['serversentevents', 'sse'],
  ['auto', 'auto'],
  ['remote', 'auto'],
  ['url', 'auto'],
]);

/** Kinds of servers that only their host can run. */
const INTERNAL = new Set(['builtin', 'platform', 'frontend', 'inlinepython', 'sdk', 'inprocess', 'inmemory']);
const SOCKETS = new Set([
  'ws',
  'wss',
  'websocket',
  'websockets',
  'unix',
  'unixsocket',
  'socket',
  'pipe',
  'tcp',
]);

/** The transport that a `type` means; undefined if it is none that is known. */
export function transportOf(value: Node): string | undefined {
  return TRANSPORTS.get(foldValue(stringOf(value)));
}

/** Why a server of this `type` cannot be served, if that is certain. */
export function refusalOfType(value: Node): string | undefined {
  const text = stringOf(value);
  const folded = foldValue(text);
  const known = 'known types are "stdio" (or "local"), "http", "sse" and "auto" (or "remote")';
  if (SOCKETS.has(folded)) return `"${text}" is not a transport that mcp-run serves; ${known}`;
  if (INTERNAL.has(folded))
    return `"${text}" servers run inside of the program that the file is for; ${known}`;
  return undefined;
}

function foldValue(text = ''): string {
  return text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}
