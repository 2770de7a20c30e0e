// The yardstick: the least that puts a stdio server behind HTTP. All clients share one child, nothing is validated, and
// an id is found with a regular expression. A progress token is the id of its request: a message with a token makes the
// answer of that request an event stream, which the result ends.
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';

const [command, ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
const waiting = new Map();

let rest = '';
child.stdout.setEncoding('utf8').on('data', (chunk) => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop();
  for (const line of lines) {
    const id = /"id":(\d+)/.exec(line)?.[1];
    if (id === undefined) notify(line);
    else answer(id, line);
  }
});

function notify(line) {
  const response = waiting.get(/"progressToken":(\d+)/.exec(line)?.[1]);
  if (response?.headersSent === false) response.writeHead(200, { 'content-type': 'text/event-stream' });
  response?.write(eventOf(line));
}

function answer(id, line) {
  const response = waiting.get(id);
  waiting.delete(id);
  if (response?.headersSent) return response.end(eventOf(line));
  const body = Buffer.from(line);
  response?.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
  response?.end(body);
}

function eventOf(line) {
  return `event: message\ndata: ${line}\n\n`;
}

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
    const id = /"id":(\d+)/.exec(body.toString('latin1'))?.[1];
    if (id === undefined) response.writeHead(202).end();
    else waiting.set(id, response);
    child.stdin.write(Buffer.concat([body, Buffer.from('\n')]));
  });
});
server.listen(0, '127.0.0.1', () => {
  process.stderr.write(
    `${JSON.stringify({ event: 'gateway.ready', url: `http://127.0.0.1:${server.address().port}` })}\n`,
  );
});
process.on('SIGTERM', () => {
  child.kill();
  process.exit(0);
});
