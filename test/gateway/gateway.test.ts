import { PassThrough } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts';
import { createRemoteTarget } from '../../src/manifest/resolve/remote-target.ts';
import type { Manifest, ServerSpec, Settings } from '../../src/manifest/settings.ts';
import { DEFAULTS } from './settings.ts';
import { createRecordingLog, type RecordingLog } from '../observe/recording-log.ts';
import { open, post, send } from '../support/http.ts';
import { fixtureServer } from '../support/paths.ts';
import { DEFAULT_SERVER_OPTIONS } from '../../src/manifest/schema/defaults.generated.ts';

interface Setup {
  readonly gateway: Gateway;
  readonly stdin: PassThrough;
  readonly stdout: PassThrough;
  readonly log: RecordingLog;
}

const ECHO = fixtureServer('unit/lines', '["echo"]');
const INITIALIZE = { jsonrpc: '2.0', id: 0, method: 'initialize', params: { protocolVersion: '2025-06-18' } };

function gatewayOf(settings: Partial<Settings>, servers: readonly ServerSpec[] = [server('files')]): Setup {
  const manifest: Manifest = {
    source: 'test',
    servers,
    settings: { ...DEFAULTS, ...settings },
    tokens: [],
    warnings: [],
  };
  const log = createRecordingLog();
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  const gateway = createGateway({ manifest, log, stdin, stdout });
  onTestFinished(() => gateway.close());
  return { gateway, stdin, stdout, log };
}

function server(name: string, command: readonly string[] = ECHO): ServerSpec {
  const [program = '', ...args] = command;
  return {
    name,
    target: { kind: 'stdio', command: program, args, cwd: undefined, env: {} },
    ...DEFAULT_SERVER_OPTIONS,
    tools: undefined,
  };
}

async function nextLine(stream: PassThrough): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    text += String(chunk);
    if (text.endsWith('\n')) break;
  }
  return JSON.parse(text) as Record<string, unknown>;
}

describe('starting', () => {
  it('says where everything is', async () => {
    const one = await gatewayOf({ transports: ['http', 'sse'] }).gateway.start();
    expect(one).toEqual({
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      transports: ['http', 'sse'],
      servers: [{ name: 'files', http: `${one.url}/mcp`, sse: `${one.url}/sse` }],
    });
    const many = await gatewayOf({ transports: ['http'] }, [server('a'), server('b c')]).gateway.start();
    expect(many.servers).toEqual([
      { name: 'a', http: `${many.url}/a/mcp` },
      { name: 'b c', http: `${many.url}/b%20c/mcp` },
    ]);
    const shown = await gatewayOf({
      transports: ['sse'],
      baseUrl: 'https://example.com/tools/',
    }).gateway.start();
    expect(shown.servers).toEqual([{ name: 'files', sse: 'https://example.com/tools/sse' }]);
  });

  it('needs a server, and one only for stdio', async () => {
    await expect(gatewayOf({}, []).gateway.start()).rejects.toMatchObject({ code: 'NO_SERVERS' });
    const two = gatewayOf({ transports: ['stdio'] }, [server('a'), server('b')]);
    await expect(two.gateway.start()).rejects.toMatchObject({
      code: 'SERVER_AMBIGUOUS',
      message: expect.stringContaining('a, b'),
    });
  });

  it('fails for a port in use, and leaves nothing behind that cannot be closed', async () => {
    const { url } = await gatewayOf({ transports: ['http'] }).gateway.start();
    const second = gatewayOf({ transports: ['stdio', 'http'], port: Number(new URL(url ?? '').port) });
    await expect(second.gateway.start()).rejects.toMatchObject({ code: 'PORT_IN_USE' });
    await second.gateway.close();
    expect(second.log.of('server.exited')).toHaveLength(second.log.of('server.started').length);
  });

  it('tells at once which command does not exist, and goes on with the others', async () => {
    const { gateway, log } = gatewayOf({ transports: ['http'] }, [
      server('good'),
      server('bad', ['/no/such/command']),
    ]);
    const { url } = await gateway.start();
    expect(log.of('server.missing')).toMatchObject([
      { level: 'error', text: expect.stringContaining('/no/such/command') },
    ]);
    const ready = await send(`${url}/readyz`);
    expect(ready.status).toBe(503);
    expect(JSON.parse(ready.text)).toEqual({ status: 'not ready', reasons: ['failed start'] });
    expect((await post(`${url}/good/mcp`, INITIALIZE)).status).toBe(200);
    const answer = await post(`${url}/bad/mcp`, INITIALIZE);
    expect(JSON.parse(answer.text)).toMatchObject({
      id: 0,
      error: { code: -32_603, data: { reason: 'command_not_found' } },
    });
    expect((await send(`${url}/healthz`)).status).toBe(200);
  });
});

describe('a remote server', () => {
  it('takes no place of a process', async () => {
    const behind = await gatewayOf({ transports: ['http'] }, [
      server('far', fixtureServer('behaviours')),
    ]).gateway.start();
    const target = createRemoteTarget(`${behind.url}/mcp`, { oauth: false }, {});
    const { gateway } = gatewayOf({ maxChildren: 1, childrenPerServer: 1 }, [
      { ...server('far'), target },
      server('near'),
    ]);
    const { url } = await gateway.start();
    const initialize = {
      ...INITIALIZE,
      params: { ...INITIALIZE.params, capabilities: {}, clientInfo: { name: 't', version: '1' } },
    };
    const statuses: number[] = [];
    for (const name of ['far', 'far', 'near', 'far'])
      statuses.push((await post(`${url}/${name}/mcp`, initialize)).status);
    expect(statuses).toEqual([200, 200, 200, 200]);
  });
});

describe('stdio', () => {
  it('passes messages to the server and back', async () => {
    const { gateway, stdin, stdout } = gatewayOf({ transports: ['stdio'] });
    await gateway.start();
    stdin.write(`${JSON.stringify(INITIALIZE)}\n`);
    expect(await nextLine(stdout)).toMatchObject({ id: 0, result: { params: INITIALIZE.params } });
  });

  it('is finished with 0 when the client has gone', async () => {
    const { gateway, stdin } = gatewayOf({ transports: ['stdio'] });
    await gateway.start();
    stdin.end();
    expect(await gateway.finished).toBe(0);
  });

  it.each([0, 3, 255])('is finished with the exit code of its server: %i', async (code) => {
    const { gateway } = gatewayOf({ transports: ['stdio'] }, [
      server('files', fixtureServer('unit/lines', `[${code}]`)),
    ]);
    await gateway.start();
    expect(await gateway.finished).toBe(code);
  });

  it('is finished with 4 when its server cannot be started', async () => {
    const { gateway } = gatewayOf({ transports: ['stdio'] }, [server('files', ['/no/such/command'])]);
    await gateway.start();
    expect(await gateway.finished).toBe(4);
  });

  it('does not end the listener beside it, however early it ends', async () => {
    const { gateway, stdin } = gatewayOf({ transports: ['stdio', 'http'] }, [
      server('files', ['/no/such/command']),
    ]);
    stdin.end();
    const { url } = await gateway.start();
    const early = await Promise.race([
      gateway.finished.then(() => true),
      send(`${url}/healthz`).then(() => false),
    ]);
    expect(early).toBe(false);
    await gateway.close();
    expect(await gateway.finished).toBe(0);
  });
});

describe('closing', () => {
  it('lets a running call finish', async () => {
    const command = fixtureServer('unit/process', 'ends-with-stdin');
    const files = server('files', command);
    const { gateway, log } = gatewayOf({ transports: ['http'], drainTimeoutMs: 50 }, [files]);
    const { url } = await gateway.start();
    // This server never answers: the call is there until the time to drain is over.
    const pending = post(`${url}/mcp`, INITIALIZE);
    await expect.poll(() => log.of('server.started')).toHaveLength(1);
    await gateway.close();
    expect(JSON.parse((await pending).text)).toMatchObject({ error: { data: { reason: 'shutting_down' } } });
  });

  it('is done once, frees the port and finishes with 0', async () => {
    const { gateway } = gatewayOf({ transports: ['http'] });
    const { url } = await gateway.start();
    await Promise.all([gateway.close(), gateway.close()]);
    expect(await gateway.finished).toBe(0);
    await expect(open(`${url}/healthz`)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('during the start leaves no listener behind', async () => {
    const { gateway } = gatewayOf({ transports: ['http'] });
    const starting = gateway.start();
    await gateway.close();
    const { url } = await starting.catch(() => ({ url: undefined }));
    if (url === undefined) return;
    const answer = await open(`${url}/healthz`).catch((error: unknown) => error);
    expect(answer).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('before the start is fine', async () => {
    const { gateway } = gatewayOf({ transports: ['http'] });
    await gateway.close();
    expect(await gateway.finished).toBe(0);
  });

  it('ends every server that was started', async () => {
    const { gateway, log } = gatewayOf({ transports: ['http'] });
    const { url } = await gateway.start();
    await Promise.all([1, 2, 3].map(() => post(`${url}/mcp`, INITIALIZE)));
    await gateway.close();
    expect(log.of('server.started')).toHaveLength(3);
    expect(log.of('server.exited')).toHaveLength(3);
  });
});

describe('readiness', () => {
  it('tells of a server that dies before its first answer, and forgets it with the next one that lives', async () => {
    const dies = fixtureServer('unit/lines', '[1]');
    const { gateway } = gatewayOf({ transports: ['http'] }, [server('files', dies)]);
    const { url } = await gateway.start();
    expect((await send(`${url}/readyz`)).status).toBe(200);
    const answer = await post(`${url}/mcp`, INITIALIZE);
    expect(JSON.parse(answer.text)).toMatchObject({ error: { data: { reason: 'upstream_exited' } } });
    await expect.poll(async () => (await send(`${url}/readyz`)).status).toBe(503);
  });
});
