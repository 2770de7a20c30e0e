// A load of calls over keep-alive connections, on bare sockets: the load must cost less than what it measures.
import { once } from 'node:events';
import { connect } from 'node:net';

/** Members of the `_meta` of a client of revision 2026-07-28. */
const ENVELOPE = JSON.stringify({
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': { elicitation: {}, sampling: {} },
  'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1.0.0' },
}).slice(1, -1);

/** The end of each chunked answer. */
const LAST_CHUNK = '\r\n0\r\n\r\n';

/**
 * Sends `calls` tool calls with a text of `bytes` characters, `concurrency` at a time.
 * @param load.notifications number of notifications, each with the text, in the stream of a call before its result
 * @param load.isModern as a client of revision 2026-07-28, which has no session
 * @returns wall time in ms
 */
export async function runLoad(load) {
  const { url, session, calls, concurrency, bytes, notifications = 0, isModern = false } = load;
  const { hostname, port } = new URL(url);
  const tool = notifications > 0 ? 'notify' : 'echo';
  const text = 'x'.repeat(bytes);
  let next = 1;
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: concurrency }, drive));
  return performance.now() - startedAt;

  async function drive() {
    const socket = connect(Number(port), hostname);
    socket.setNoDelay(true);
    await once(socket, 'connect');
    const read = notifications > 0 ? createStreamReader(socket) : createReader(socket);
    while (next <= calls) {
      const id = next;
      next += 1;
      const body = callOf({ id, tool, text, notifications, isModern });
      socket.write(requestOf({ hostname, port, session, tool, body, isModern }));
      const answer = await read();
      if (!answer.includes(`"id":${id}`) || !answer.startsWith('HTTP/1.1 200'))
        throw new Error(`call ${id}: ${answer}`);
      if (notifications > 0) checkNotifications(answer, id, notifications);
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

function callOf({ id, tool, text, notifications, isModern }) {
  const isStream = notifications > 0;
  const count = isStream ? `,"count":${notifications}` : '';
  const meta = [isModern && ENVELOPE, isStream && `"progressToken":${id}`].filter(Boolean).join(',');
  return (
    `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"${tool}",` +
    `"arguments":{"text":"${text}"${count}}${meta === '' ? '' : `,"_meta":{${meta}}`}}}`
  );
}

function requestOf({ hostname, port, session, tool, body, isModern }) {
  const era = isModern
    ? `mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: ${tool}\r\n`
    : 'mcp-protocol-version: 2025-11-25\r\n';
  return (
    `POST /mcp HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-type: application/json\r\n` +
    `accept: application/json, text/event-stream\r\n${session === undefined ? '' : `mcp-session-id: ${session}\r\n`}` +
    `${era}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}

function checkNotifications(answer, id, expected) {
  const received = answer.split(`"progressToken":${id},`).length - 1;
  if (received !== expected) throw new Error(`call ${id}: ${received} of ${expected} notifications`);
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

/** Reads one event stream after the other, whose chunks it joins: the events themselves hold no CR. */
function createStreamReader(socket) {
  let pieces = [];
  let lastCharacters = '';
  let wake;
  socket.setEncoding('latin1');
  socket.on('data', (piece) => {
    if (pieces.length === 0 && !/transfer-encoding: chunked/i.test(piece))
      return wake.reject(new Error(piece));
    pieces.push(piece);
    lastCharacters = (lastCharacters + piece).slice(-LAST_CHUNK.length);
    if (lastCharacters !== LAST_CHUNK) return;
    const answer = pieces.join('').replaceAll(/\r\n[\da-f]+\r\n/g, '');
    pieces = [];
    wake.resolve(answer);
  });
  socket.on('close', () => wake?.reject(new Error('the connection was closed')));
  return () => new Promise((resolve, reject) => (wake = { resolve, reject }));
}
