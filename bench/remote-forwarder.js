// The yardstick for a remote server behind stdio: each line is posted, and each body is written. Nothing is validated, and
// there are no streams, sessions or errors.
import { Agent, request } from 'node:http';

const { hostname, port, pathname: path } = new URL(process.argv[2]);
const agent = new Agent({ keepAlive: true });
const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

let rest = '';
process.stdin.setEncoding('utf8').on('data', (chunk) => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop();
  for (const line of lines) post(Buffer.from(line));
});

function post(body) {
  const options = { agent, hostname, port, path, method: 'POST' };
  const sent = request({ ...options, headers: { ...headers, 'content-length': body.length } }, (response) => {
    const chunks = [];
    response.on('data', (chunk) => chunks.push(chunk));
    response.on('end', () => {
      if (chunks.length > 0) process.stdout.write(Buffer.concat([...chunks, Buffer.from('\n')]));
    });
  });
  sent.end(body);
}
