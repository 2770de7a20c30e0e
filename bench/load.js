// A load of calls over keep-alive connections, on bare sockets: the load must cost less than what it measures.
import { once } from 'node:events';
import { connect } from 'node:net';

/** Of a client of revision 2026-07-28. */
const ENVELOPE = JSON.stringify({
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': { elicitation: {}, sampling: {} },
  'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1.0.0' },
});

/**
 * Sends `calls` tool calls with a text of `bytes` characters, `concurrency` at a time.
 * @param options.isModern as a client of revision 2026-07-28, which has no session
 * @returns wall time in ms
 */
export async function runLoad({ url, session, calls, concurrency, bytes, isModern = false }) {
  const { hostname, port } = new URL(url);
  const text = 'x'.repeat(bytes);
  let next = 1;
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: concurrency }, drive));
  return performance.now() - startedAt;

  async function drive() {
    const socket = connect(Number(port), hostname);
    socket.setNoDelay(true);
    await once(socket, 'connect');
    const read = createReader(socket);
    while (next <= calls) {
      const id = next;
      next += 1;
      const body = callOf(id, text, isModern);
      socket.write(requestOf({ hostname, port, session, body, isModern }));
      const answer = await read();
      if (!answer.includes(`"id":${id}`) || !answer.startsWith('HTTP/1.1 200'))
        throw new Error(`call ${id}: ${answer}`);
    }
    socket.destroy();
  }
}

/** Initializes a session. @returns its id, undefined where the server has none */
export async function openSession(url) {
  const post = (body, headers = {}) =>
    fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers,
      },
      body: JSON.stringify({ jsonrpc: '2.0', ...body }),
    });
  const params = {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'bench', version: '1.0.0' },
  };
  const answer = await post({ id: 0, method: 'initialize', params });
  await answer.text();
  const session = answer.headers.get('mcp-session-id') ?? undefined;
  const accepted = await post(
    { method: 'notifications/initialized' },
    session === undefined ? {} : { 'mcp-session-id': session },
  );
  await accepted.text();
  return session;
}

function callOf(id, text, isModern) {
  const meta = isModern ? `,"_meta":${ENVELOPE}` : '';
  return `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"echo","arguments":{"text":"${text}"}${meta}}}`;
}

function requestOf({ hostname, port, session, body, isModern }) {
  const era = isModern
    ? 'mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: echo\r\n'
    : 'mcp-protocol-version: 2025-11-25\r\n';
  return (
    `POST /mcp HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-type: application/json\r\n` +
    `accept: application/json, text/event-stream\r\n${session === undefined ? '' : `mcp-session-id: ${session}\r\n`}` +
    `${era}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}

/** Reads one answer with a content-length after the other. */
function createReader(socket) {
  let received = '';
  let wake;
  socket.setEncoding('latin1');
  socket.on('data', (chunk) => {
    received += chunk;
    deliver();
  });
  socket.on('close', () => wake?.reject(new Error('the connection was closed')));
  return () =>
    new Promise((resolve, reject) => {
      wake = { resolve, reject };
      deliver();
    });

  function deliver() {
    const headEnd = received.indexOf('\r\n\r\n');
    if (headEnd === -1 || wake === undefined) return;
    const length = /content-length: (\d+)/i.exec(received.slice(0, headEnd))?.[1];
    const end = headEnd + 4 + Number(length);
    if (received.length < end) return;
    const answer = received.slice(0, end);
    received = received.slice(end);
    const { resolve } = wake;
    wake = undefined;
    resolve(answer);
  }
}
