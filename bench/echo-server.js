// The server behind every gateway of the bench: answers each call with the text that it was given, as cheaply as it can.
// With `--modern` it is one of revision 2026-07-28.
import { createInterface } from 'node:readline';

const INITIALIZED = {
  protocolVersion: '2025-11-25',
  capabilities: { tools: {} },
  serverInfo: { name: 'bench-echo', version: '1.0.0' },
};

const DISCOVERED = {
  resultType: 'complete',
  supportedVersions: ['2026-07-28'],
  capabilities: { tools: {} },
  ttlMs: 0,
  cacheScope: 'private',
};
const isModern = process.argv.includes('--modern');
const INTRODUCTION = isModern ? DISCOVERED : INITIALIZED;

let out = '';
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  const result = method === (isModern ? 'server/discover' : 'initialize') ? INTRODUCTION : answerTo(params);
  if (out === '') setImmediate(flush);
  out += `${JSON.stringify({ result, jsonrpc: '2.0', id })}\n`;
});

function answerTo(params) {
  const content = [{ type: 'text', text: params?.arguments?.text ?? '' }];
  return isModern ? { resultType: 'complete', content } : { content };
}

function flush() {
  process.stdout.write(out);
  out = '';
}
