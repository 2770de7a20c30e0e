// The remote server behind every bridge of the bench: Streamable HTTP, each call answered with its own text, as cheaply
// as it can.
import { createServer } from 'node:http';

const INITIALIZED = {
  protocolVersion: '2025-11-25',
  capabilities: { tools: {} },
  serverInfo: { name: 'bench-echo', version: '1.0.0' },
};

const server = createServer((request, response) => {
  if (request.method !== 'POST') return void response.writeHead(405).end();
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const { id, method, params } = JSON.parse(Buffer.concat(chunks).toString());
    if (id === undefined) return void response.writeHead(202).end();
    const content = [{ type: 'text', text: params?.arguments?.text ?? '' }];
    const result = method === 'initialize' ? INITIALIZED : { content };
    const body = Buffer.from(JSON.stringify({ result, jsonrpc: '2.0', id }));
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
    response.end(body);
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
