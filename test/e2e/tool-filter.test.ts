/** What an entry says about its tools counts for every client, however it comes and whatever the server speaks. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Endpoint } from '../support/clients.ts';
import { post } from '../support/http.ts';
import { json, type Json } from '../support/json.ts';
import { serve, startMcpRun } from '../support/mcp-run.ts';
import { envelope, mirroredHeaders, modernRequest } from '../support/modern.ts';
import { fixtureServer, MCP_RUN, NODE } from '../support/paths.ts';
import { connectRaw } from '../support/raw-client.ts';
import { connectRawModern } from '../support/raw-modern.ts';

/** How a client reaches the server, and what that is. */
interface Way {
  readonly door: 'stdio' | 'http' | 'sse';
  readonly client: 'legacy' | 'modern';
  readonly server: 'legacy' | 'modern';
  readonly options?: readonly string[];
  /** Behind another mcp-run. */
  readonly isRemote?: boolean;
}

const DOORS: readonly Way[] = [
  { door: 'stdio', client: 'legacy', server: 'legacy' },
  { door: 'http', client: 'legacy', server: 'legacy' },
  { door: 'sse', client: 'legacy', server: 'legacy' },
  { door: 'http', client: 'legacy', server: 'legacy', options: ['--isolation', 'shared'] },
  { door: 'http', client: 'legacy', server: 'legacy', options: ['--stateless'] },
  { door: 'http', client: 'legacy', server: 'legacy', isRemote: true },
  { door: 'stdio', client: 'modern', server: 'legacy' },
  { door: 'http', client: 'modern', server: 'legacy' },
  { door: 'stdio', client: 'legacy', server: 'modern' },
  { door: 'http', client: 'legacy', server: 'modern' },
  { door: 'stdio', client: 'modern', server: 'modern' },
  { door: 'http', client: 'modern', server: 'modern' },
  { door: 'http', client: 'modern', server: 'modern', isRemote: true },
];

const title = ({ door, client, server, options = [], isRemote = false }: Way): string =>
  [
    `a ${client} client over ${door}`,
    ...options,
    `and a ${isRemote ? 'remote' : 'local'} ${server} server`,
  ].join(' ');

describe('tools that an entry does not allow are neither seen nor called', () => {
  it.for(DOORS.map((way) => [title(way), way] as const))('by %s', async ([, way]) => {
    const connect = way.client === 'legacy' ? connectRaw : connectRawModern;
    const client = await connect(await endpointOf(way));
    const { tools } = await client.request('tools/list');
    expect(namesOf(tools)).toEqual(['echo']);
    for (const text of ['before', 'after']) {
      const answer = await client.request('tools/call', { name: 'echo', arguments: { text } });
      expect(answer['structuredContent']).toMatchObject({ arguments: { text } });
      for (const name of ['exit', 'burst', 'unheard-of'])
        await expect(client.request('tools/call', { name, arguments: {} })).rejects.toMatchObject({
          code: -32602,
        });
    }
  });
});

const MARKER = 'ambiguous-call';

/** Calls of a tool that is not allowed, in spellings that some servers read as such. @param meta members of `params` */
function bypasses(meta: string): string[] {
  const args = `"arguments":{"marker":"${MARKER}"}${meta}`;
  const line = (members: string, id = '"id":"x",'): string => `{"jsonrpc":"2.0",${id}${members}}`;
  const call = (name: string): string => line(`"method":"tools/call","params":{${name},${args}}`);
  const exit = `"params":{"name":"exit",${args}}`;
  const echo = `"params":{"name":"echo",${args}}`;
  return [
    call('"name":"exit"'),
    call('"name":"echo","name":"exit"'),
    call('"name":"exit","name":"echo"'),
    call('"name":"echo","Name":"exit"'),
    call('"\\u004eame":"exit"'),
    call('"name":["exit"]'),
    call('"name":"EXIT"'),
    call('"name":"exit\\u0000"'),
    call('"name":"echo"').replace('"arguments":', '"arguments":{},"arguments":'),
    line(`"method":"tools/call",${exit}`, ''),
    line(`"method":"tools/call",${exit}`, '"Id":"x",'),
    line(`"method":"tools/call",${exit}`, '"id":null,'),
    line(`"method":"tools/call",${exit},${echo}`),
    line(`"method":"tools/call",${echo},${exit}`),
    line(`"method":"tools/call",${echo},${exit.replace('params', 'Params')}`),
    line(`"method":"tools/call",${echo},${exit.replace('params', 'param\u017f')}`),
    line(`"method":"tools/call",${echo},${exit.replace('params', String.raw`\u0050arams`)}`),
    line(`"method":"ping","method":"tools/call",${exit}`),
    line(`"method":"tools/call","method":"ping",${exit}`),
    line(`"method":"ping","Method":"tools/call",${exit}`),
    line(`"method":"tools/call","jsonrpc":"2.0",${exit}`),
    `[${call('"name":"exit"')}]`,
    `[${call('"name":"echo","name":"exit"')},${call('"name":"echo"').replace('"x"', '"y"')}]`,
  ];
}

describe('a call of a tool that an entry does not allow never reaches the server, however it is spelled', () => {
  it.for(DOORS.map((way) => [title(way), way] as const))('by %s', async ([, way]) => {
    const endpoint = await endpointOf(way, { includeTools: ['echo', 'received'] });
    const client = await (way.client === 'legacy' ? connectRaw(endpoint) : connectRawModern(endpoint));
    const meta = way.client === 'legacy' ? '' : `,"_meta":${JSON.stringify(envelope())}`;
    for (const line of bypasses(meta)) {
      if (way.client === 'legacy' || endpoint.kind === 'stdio') await client.sendLine(line).catch(() => {});
      else
        for (const name of ['echo', 'exit'])
          await post(endpoint.url, line, { ...mirroredHeaders(modernRequest('tools/call', 1, { name })) });
    }
    const { structuredContent } = await client.request('tools/call', {
      name: 'received',
      arguments: { containing: MARKER },
    });
    const { lines } = json(structuredContent);
    // This request contains the marker as well.
    expect(lines).toEqual([expect.stringContaining('"containing"')]);
    expect(client.incoming.filter(({ id, result }) => id === 'x' && result !== undefined)).toEqual([]);
  });
});

it('tools that an entry does not allow are not counted by check', async () => {
  const file = await manifestOf(entryOf('legacy'));
  const { stdout } = await promisify(execFile)(NODE, [MCP_RUN, 'check', file, '--json']);
  expect(JSON.parse(stdout)).toMatchObject({ servers: [{ tools: 1 }] });
});

it('tools that --ignore-tool names are not counted by check', async () => {
  const file = await fileOf({ a: entryOf('legacy'), b: entryOf('modern') });
  const counts: number[] = [];
  for (const ignored of [[], ['--ignore-tool', 'e*']]) {
    const { stdout } = await promisify(execFile)(NODE, [MCP_RUN, 'check', file, '--json', ...ignored]);
    const { servers } = json(JSON.parse(stdout));
    counts.push(...(servers as Json[]).map(({ tools }) => Number(tools)));
  }
  const [a = 0, b = 0, fewerOfA = a, fewerOfB = b] = counts;
  expect([fewerOfA < a, fewerOfB < b]).toEqual([true, true]);
});

it('--ignore-tool hides tools of a command on the command line', async () => {
  const { url } = await startMcpRun(serve(['--http'], fixtureServer('behaviours'), '--ignore-tool', 'e*'));
  const client = await connectRaw({ kind: 'http', url: `${url}/mcp` });
  const names = namesOf((await client.request('tools/list'))['tools']);
  expect(names).toContain('burst');
  expect(names.filter((name) => name.startsWith('e'))).toEqual([]);
});

const HTTP = ['--http', '--port', '0'];
const farUrlOf = async (server: Way['server']): Promise<string> =>
  String(json(await farEntryOf(server))['url']);

describe('--ignore-tool hides tools of every kind of server', () => {
  it.for<[string, () => Promise<string[]>]>([
    ['a command', async () => serve(['--http'], fixtureServer('behaviours'))],
    ['the demo', async () => ['serve', '--demo', ...HTTP]],
    ['a URL', async () => ['serve', await farUrlOf('legacy'), ...HTTP]],
    ['the URL of a modern server', async () => ['serve', await farUrlOf('modern'), ...HTTP]],
  ])('%s', async ([, argsOf]) => {
    const [command = '', ...args] = await argsOf();
    const all = await namesBehind([command, ...args]);
    const [hidden = ''] = all;
    expect(hidden).not.toBe('');
    expect(await namesBehind([command, '--ignore-tool', hidden, ...args])).toEqual(all.slice(1));
  });

  it.for([[], ['--isolation', 'shared'], ['--stateless']])(
    'all servers of a manifest %j',
    async (options) => {
      const file = await fileOf({
        legacy: entryOf('legacy'),
        modern: entryOf('modern'),
        far: await farEntryOf('legacy'),
        'far-modern': await farEntryOf('modern'),
      });
      const run = await startMcpRun([
        'serve',
        file,
        '--http',
        '--port',
        '0',
        '--ignore-tool',
        'e*',
        ...options,
      ]);
      for (const name of ['legacy', 'modern', 'far', 'far-modern'])
        for (const connect of [connectRaw, connectRawModern]) {
          const client = await connect({ kind: 'http', url: `${run.url}/${name}/mcp` });
          const names = namesOf((await client.request('tools/list'))['tools']);
          expect(names, name).toContain('burst');
          expect(
            names.filter((tool) => tool.startsWith('e')),
            name,
          ).toEqual([]);
          await expect(client.request('tools/call', { name: 'echo', arguments: {} })).rejects.toMatchObject({
            code: -32602,
          });
        }
    },
  );
});

it('a pattern that matches no tool of the server is logged', async () => {
  const file = await manifestOf({ ...entryOf('legacy'), disabledTools: ['ehco'] });
  const run = await startMcpRun(['serve', file, '--port', '0']);
  const client = await connectRaw({ kind: 'http', url: `${run.url}/mcp` });
  await client.request('tools/list');
  const line = await run.waitForLog(({ event }) => event === 'server.tools-unmatched');
  expect(line).toMatchObject({ level: 'warn', patterns: ['ehco'] });
});

/** The tools that a client sees of the only server. */
async function namesBehind(args: readonly string[]): Promise<string[]> {
  const { url } = await startMcpRun(args);
  const client = await connectRaw({ kind: 'http', url: `${url}/mcp` });
  return namesOf((await client.request('tools/list'))['tools']);
}

function namesOf(tools: unknown): string[] {
  return (tools as Json[]).map(({ name }) => String(name));
}

async function endpointOf(
  { door, server, options = [], isRemote = false }: Way,
  more: object = {},
): Promise<Endpoint> {
  const entry = isRemote ? await farEntryOf(server) : entryOf(server);
  const file = await manifestOf({ ...entry, ...more });
  if (door === 'stdio')
    return { kind: 'stdio', command: NODE, args: [MCP_RUN, 'serve', file, '--stdio', ...options] };
  const { url } = await startMcpRun(['serve', file, `--${door}`, '--port', '0', ...options]);
  return { kind: door, url: `${url}/${door === 'sse' ? 'sse' : 'mcp'}` };
}

function entryOf(server: Way['server']): object {
  const [command, ...args] = fixtureServer(server === 'legacy' ? 'behaviours' : 'modern-behaviours');
  return { command, args };
}

async function farEntryOf(server: Way['server']): Promise<object> {
  const command = fixtureServer(server === 'legacy' ? 'behaviours' : 'modern-behaviours');
  const { url } = await startMcpRun(serve(['--http'], command));
  return { url: `${url}/mcp` };
}

async function manifestOf(entry: object): Promise<string> {
  return await fileOf({ a: { includeTools: ['e*'], excludeTools: ['exit'], ...entry } });
}

async function fileOf(mcpServers: object): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-run-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'mcp.json');
  await writeFile(file, JSON.stringify({ mcpServers }));
  return file;
}
