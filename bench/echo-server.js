// The server behind every gateway of the bench: answers each call with the text that it was given, as cheaply as it can.
import { createInterface } from 'node:readline';

const INITIALIZED = {
  protocolVersion: '2025-11-25',
  capabilities: { tools: {} },
  serverInfo: { name: 'bench-echo', version: '1.0.0' },
};

let out = '';
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  const result =
    method === 'initialize'
      ? INITIALIZED
      : { content: [{ type: 'text', text: params?.arguments?.text ?? '' }] };
  if (out === '') setImmediate(flush);
  out += `${JSON.stringify({ result, jsonrpc: '2.0', id })}\n`;
});

function flush() {
  process.stdout.write(out);
  out = '';
}
