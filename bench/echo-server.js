// The server behind every gateway of the bench: answers each call with the text of its arguments, as cheaply as it can.
// A call of the tool `notify` brings `count` notifications of its progress first. With `--modern` it is a server of
// revision 2026-07-28.
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
/** Notifications of one call in one turn of the event loop: few enough that the streams of several calls mix. */
const PER_TURN = 10;

let out = '';
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  if (params?.name === 'notify') return notify(id, params, 1);
  const result = method === (isModern ? 'server/discover' : 'initialize') ? INTRODUCTION : answerTo(params);
  send({ result, jsonrpc: '2.0', id });
});

function notify(id, params, first) {
  const { count, text } = params.arguments;
  const { progressToken } = params._meta;
  const end = Math.min(first + PER_TURN, count + 1);
  for (let progress = first; progress < end; progress += 1)
    send({
      jsonrpc: '2.0',
      method: 'notifications/progress',
      params: { progressToken, progress, message: text },
    });
  if (end <= count) setImmediate(notify, id, params, end);
  else send({ result: answerTo(params), jsonrpc: '2.0', id });
}

function answerTo(params) {
  const content = [{ type: 'text', text: params?.arguments?.text ?? '' }];
  return isModern ? { resultType: 'complete', content } : { content };
}

function send(message) {
  if (out === '') setImmediate(flush);
  out += `${JSON.stringify(message)}\n`;
}

function flush() {
  process.stdout.write(out);
  out = '';
}
