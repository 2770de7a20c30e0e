/** Servers of both eras that start slowly: what is sent meanwhile must not settle them for one. */
import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { expect, onTestFinished, test } from 'vitest';
import { CLIENT_INFO } from '../support/clients.ts';
import { inheritedEnvironment } from '../support/environment.ts';
import { textOf } from '../support/json.ts';
import { serve, startMcpRun } from '../support/mcp-run.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { fixtureServer, MCP_RUN, NODE } from '../support/paths.ts';

type Mode = 'modern' | 'auto' | 'legacy';
type Transport = 'stdio' | 'http' | 'sse';

const MODES = { modern: { pin: '2026-07-28' }, auto: 'auto', legacy: 'legacy' } as const;
const SERVERS: Readonly<Record<string, [name: string, ...args: string[]]>> = {
  'on the SDK 2.x': ['tells-era', '--slow'],
  'that settles with its first message': ['settles', '--slow'],
  'of 2026-07-28': ['settles', '--slow', '--modern'],
};
const ROWS: [mode: Mode, transport: Transport][] = [
  ['modern', 'stdio'],
  ['modern', 'http'],
  ['auto', 'stdio'],
  ['auto', 'http'],
  ['auto', 'sse'],
  ['legacy', 'stdio'],
  ['legacy', 'http'],
  ['legacy', 'sse'],
];

test.each(Object.entries(SERVERS))(
  'a server %s serves each client in its own era, over every transport',
  async (_title, server) => {
    const command = fixtureServer(...server);
    // At once, since each waits for a slow start.
    const found = await Promise.all(
      ROWS.map(async ([mode, transport]) => {
        const url = transport === 'stdio' ? '' : (await startMcpRun(serve([`--${transport}`], command))).url;
        return [mode, transport, await eraOf(mode, transportTo(transport, url, command))];
      }),
    );
    const expected = (mode: Mode, transport: Transport): string =>
      server.includes('--modern') || (mode !== 'legacy' && transport !== 'sse') ? 'modern' : 'legacy';
    expect(found).toEqual(ROWS.map(([mode, transport]) => [mode, transport, expected(mode, transport)]));
  },
);

test('clients of both eras that come at once, and those that come later, are each served in their own', async () => {
  const settings = [['--isolation', 'session'], ['--isolation', 'shared'], ['--stateless']];
  const runs = settings.flatMap((options) =>
    ['tells-era', 'settles'].map(async (name) => {
      const { url } = await startMcpRun(serve(['--http'], fixtureServer(name, '--slow'), ...options));
      const visit = async (mode: Mode): Promise<string> => await eraOf(mode, transportTo('http', url, []));
      return [
        ...(await Promise.all([visit('modern'), visit('legacy')])),
        ...(await Promise.all([visit('auto'), visit('legacy')])),
      ];
    }),
  );
  expect(await Promise.all(runs)).toEqual(runs.map(() => ['modern', 'legacy', 'modern', 'legacy']));
});

/** What the server says of itself to a client in this mode. */
async function eraOf(mode: Mode, transport: Parameters<Client['connect']>[0]): Promise<string> {
  const client = new Client(CLIENT_INFO, { versionNegotiation: { mode: MODES[mode] } });
  const options = { timeout: PATIENCE_MS };
  onTestFinished(() => client.close());
  await client.connect(transport, options);
  return textOf({ ...(await client.callTool({ name: 'era', arguments: {} }, options)) });
}

function transportTo(
  kind: Transport,
  url: string,
  server: readonly string[],
): Parameters<Client['connect']>[0] {
  if (kind === 'http') return new StreamableHTTPClientTransport(new URL(`${url}/mcp`));
  if (kind === 'sse') return new SSEClientTransport(new URL(`${url}/sse`));
  return new StdioClientTransport({
    command: NODE,
    args: [MCP_RUN, 'serve', '--stdio', '--', ...server],
    env: inheritedEnvironment(),
    stderr: 'ignore',
  });
}
