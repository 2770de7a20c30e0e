/** The end of an application that mcp-run is a part of. */
import { execFile } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { closeWith } from '../../src/places/closing.ts';
import { initializeMessage, reasonOf } from '../support/bearer.ts';
import { callTool, type ClientOptions, type TestClient } from '../support/clients.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { MCP_HEADERS, post } from '../support/http.ts';
import { at, json, textOf } from '../support/json.ts';
import { NODE, ROOT } from '../support/paths.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { orphans, processAlive } from '../support/processes.ts';
import { connectSdkV1 } from '../support/sdk-v1.ts';
import { connectSdkV2Modern } from '../support/sdk-v2-modern.ts';
import { BEHAVIOURS, createApp, createGate, createHost, listen, register, writeManifest } from './host.ts';

const DRAIN = { drainTimeout: PATIENCE_MS };

async function pidOf(client: TestClient): Promise<number> {
  return Number(at(await callTool(client, 'process'), 'structuredContent', 'pid'));
}

describe('closing an application', () => {
  it.each([
    ['Streamable HTTP', 'http', '/mcp', connectSdkV1],
    ['HTTP+SSE', 'sse', '/sse', connectSdkV1],
    ['revision 2026-07-28', 'http', '/mcp', connectSdkV2Modern],
  ] as const)('lets calls finish, then ends the servers: %s', async (_title, kind, path, connect) => {
    const app = await createHost({ manifest: await writeManifest({ behaviours: BEHAVIOURS }, DRAIN) });
    const url = (await listen(app)) + path;
    const client = await connect({ kind, url });
    const pid = await pidOf(client);
    expect(processAlive(pid)).toBe(true);
    const started = createGate();
    const call = callTool(client, 'wait', { ms: 500 }, { onProgress: started.open });
    await started.passed;
    const closed = app.close();
    expect(textOf(await call)).toBe('waited');
    await closed;
    expect(processAlive(pid)).toBe(false);
  });

  it.each([
    ['Streamable HTTP', 'http', '/mcp'],
    ['HTTP+SSE', 'sse', '/sse'],
  ] as const)('lets a user answer a question first: %s', async (_title, kind, path) => {
    const manifest = await writeManifest({ behaviours: BEHAVIOURS }, DRAIN);
    const app = await createHost({ manifest }, { return503OnClosing: false });
    const url = await listen(app);
    const [asked, draining] = [createGate(), createGate()];
    const options: ClientOptions = {
      capabilities: { elicitation: {} },
      async answer() {
        asked.open();
        await draining.passed;
        return { action: 'accept', content: { name: 'Ada' } };
      },
    };
    const client = await connectSdkV1({ kind, url: url + path }, options);
    const params = { message: 'Name?', requestedSchema: { type: 'object', properties: {} } };
    const call = callTool(client, 'ask', { method: 'elicitation/create', params });
    await asked.passed;
    const closed = app.close();
    await expect.poll(async () => (await post(`${url}/mcp`, initializeMessage())).status).toBe(503);
    expect(reasonOf(await post(`${url}/mcp`, initializeMessage()))).toBe('shutting_down');
    draining.open();
    expect(at(await call, 'structuredContent', 'result', 'content')).toEqual({ name: 'Ada' });
    await closed;
  });

  it("rejects other requests meanwhile, in Fastify's own form unless it is told not to", async () => {
    const app = await createHost({ manifest: await writeManifest({ behaviours: BEHAVIOURS }, DRAIN) });
    const url = `${await listen(app)}/mcp`;
    const client = await connectSdkV1({ kind: 'http', url });
    const pid = await pidOf(client);
    const started = createGate();
    const call = callTool(client, 'wait', {}, { onProgress: started.open });
    await started.passed;
    const closed = app.close();
    await expect.poll(async () => (await post(url, initializeMessage())).status).toBe(503);
    const { text } = await post(url, initializeMessage());
    expect(JSON.parse(text)).toEqual({
      error: 'Service Unavailable',
      message: 'Service Unavailable',
      statusCode: 503,
    });
    process.kill(pid, 'SIGKILL');
    await expect(call).rejects.toThrow();
    await closed;
  });

  it('ends running calls after `drainTimeout`', async () => {
    const manifest = await writeManifest({ behaviours: BEHAVIOURS }, { drainTimeout: '0s' });
    const app = await createHost({ manifest });
    const client = await connectSdkV1({ kind: 'http', url: `${await listen(app)}/mcp` });
    const pid = await pidOf(client);
    const started = createGate();
    const call = callTool(client, 'wait', {}, { onProgress: started.open });
    await started.passed;
    const failed = call.catch((error: unknown) => error);
    await app.close();
    expect(processAlive(pid)).toBe(false);
    expect(await failed).toBeInstanceOf(Error);
  });

  it('that never listens ends its servers', async () => {
    const shared = { ...BEHAVIOURS, isolation: 'shared' };
    const app = await createHost({ manifest: await writeManifest({ shared }) });
    const session = await app.inject({
      method: 'POST',
      url: '/mcp',
      headers: MCP_HEADERS,
      payload: initializeMessage(),
    });
    const headers = { ...MCP_HEADERS, 'mcp-session-id': String(session.headers['mcp-session-id']) };
    const payload = { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'process' } };
    const answer = await app.inject({ method: 'POST', url: '/mcp', headers, payload });
    const pid = Number(at(answer.json(), 'result', 'structuredContent', 'pid'));
    expect(processAlive(pid)).toBe(true);
    await app.close();
    expect(processAlive(pid)).toBe(false);
  });

  it('that has never become ready is possible', async () => {
    const app = createApp();
    await register(app);
    await app.close();
  });

  it('whose start has failed leaves no process', async () => {
    const { stdout } = await runHost(`
      const failing = fastify();
      failing.register(mcpRun, { manifest });
      failing.register(async () => { throw new Error('broken'); });
      const failure = await Promise.resolve(failing.ready()).catch(({ message }) => message);
      const before = started.length;
      await failing.close();
      console.log(JSON.stringify({ failure, before, pids: started }));
    `);
    const { failure, before, pids } = json(JSON.parse(stdout));
    expect([failure, before]).toEqual(['broken', 1]);
    expect(await orphans((pids as unknown[]).map(Number), 0)).toEqual([]);
  });
});

describe('the process', () => {
  it('gets no handler, before, during and after', async () => {
    const { stdout } = await runHost(`
      const counts = () => process.eventNames().map((name) => [String(name), process.listenerCount(name)]);
      const seen = [counts()];
      const app = fastify();
      app.register(mcpRun, { manifest });
      await app.listen({ host: '127.0.0.1', port: 0 });
      const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
      const payload = ${JSON.stringify(initializeMessage())};
      const { statusCode } = await app.inject({ method: 'POST', url: '/mcp', headers, payload });
      seen.push(counts());
      await app.close();
      seen.push(counts());
      console.log(JSON.stringify({ statusCode, seen, started }));
    `);
    const { statusCode, seen, started } = json(JSON.parse(stdout));
    expect([statusCode, started]).toEqual([200, [expect.any(Number)]]);
    const [before, during, after] = seen as unknown[];
    expect(during).toEqual(before);
    expect(after).toEqual(before);
  });
});

/** An application that is being closed, and drains until the gate is open. */
async function startDrain(pluginTimeout: number) {
  const clock = createFakeClock();
  const app = createApp({ pluginTimeout });
  const [draining, drained] = [createGate(), createGate()];
  const close = () => {
    draining.open();
    return drained.passed;
  };
  closeWith(app, { close }, clock);
  await listen(app);
  const closed = app.close();
  await draining.passed;
  return { app, clock, closed, drained };
}

describe('a drain that Fastify does not wait for', () => {
  it('goes on in `onClose`, and closing succeeds', async () => {
    const { app, clock, closed, drained } = await startDrain(100 * PATIENCE_MS);
    await clock.pass(80 * PATIENCE_MS - 1);
    expect(app.server.listening).toBe(true);
    await clock.pass(1);
    await expect.poll(() => app.server.listening).toBe(false);
    const order: string[] = [];
    void closed.then(() => order.push('closed'));
    for (let turn = 0; turn < 20; turn++) await clock.pass(0);
    order.push('drained');
    drained.open();
    await closed;
    expect(order).toEqual(['drained', 'closed']);
  });

  it('is waited for without a limit where Fastify has none', async () => {
    const { app, clock, closed, drained } = await startDrain(0);
    await clock.pass(100 * PATIENCE_MS);
    expect(app.server.listening).toBe(true);
    drained.open();
    await closed;
    expect(app.server.listening).toBe(false);
  });
});

/**
 * Runs a module in a process of its own, with `fastify`, `mcpRun`, the path `manifest` of one shared server, and the pids
 * of servers that were started.
 */
async function runHost(body: string): Promise<{ readonly stdout: string }> {
  const manifest = await writeManifest({ shared: { ...BEHAVIOURS, isolation: 'shared' } });
  const plugin = pathToFileURL(join(ROOT, 'dist/places/fastify.js')).href;
  const script = `
    import { subscribe } from 'node:diagnostics_channel';
    import { fastify as create } from 'fastify';
    import mcpRun from ${JSON.stringify(plugin)};
    const manifest = ${JSON.stringify(manifest)};
    const started = [];
    const stream = { write(line) { const { event, pid } = JSON.parse(line); if (event === 'server.started') started.push(pid); } };
    const fastify = () => create({ logger: { level: 'debug', stream } });
    ${body}
  `;
  const args = ['--input-type=module', '-e', script];
  return await promisify(execFile)(NODE, args, { cwd: ROOT, timeout: PATIENCE_MS });
}
