/** Plays the suite's client scenarios with the official client over stdio, and mcp-run between it and the server. */
import { Client, type StandardSchemaV1 } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CLIENT_INFO } from '../support/clients.ts';
import type { Era } from '../../src/link/link.ts';
import { inheritedEnvironment } from '../support/environment.ts';
import { json, type Json } from '../support/json.ts';
import { MODERN_REVISION } from '../support/modern.ts';
import { MCP_RUN, NODE, ROOT } from '../support/paths.ts';
import { partIn, type Server, type Part } from './scenarios.ts';
import type { Step, Play } from './harness.ts';

/** How a client of each era is told to be one. */
const MODES = {
  legacy: 'legacy',
  modern: { pin: MODERN_REVISION },
} as const satisfies Record<Era, unknown>;

const BROWSER = `${process.execPath} ${join(ROOT, 'fixtures/clients/browser.js')}`;
/** What the suite's authorization servers know a client as that has a metadata document. */
const METADATA_URL = 'https://conformance-test.local/client-metadata.json';

/** @param wanted scenarios; all others fail */
export function createClient(era: Era, wanted: readonly string[]): Play {
  return async (cue) => {
    if (!wanted.includes(cue.scenario)) throw new Error('not played');
    const folder = await mkdtemp(join(tmpdir(), 'mcp-run-conformance-'));
    try {
      await perform(partIn(cue.scenario), cue, era, folder);
    } finally {
      await rm(folder, { recursive: true });
    }
  };
}

/** @param folder where mcp-run keeps its tokens, and finds its credentials */
async function perform(part: Part, cue: Step, era: Era, folder: string): Promise<void> {
  const { capabilities = {}, fillIn, act, isRefused = false } = part;
  const client = new Client(CLIENT_INFO, { capabilities, versionNegotiation: { mode: MODES[era] } });
  const actor: Server = { ask: (method, params = {}) => client.request({ method, params }, ANYTHING) };
  if (fillIn)
    client.setRequestHandler('elicitation/create', async (): Promise<any> => ({
      action: 'accept',
      content: await fillIn(actor),
    }));
  const transport = new StdioClientTransport({
    command: NODE,
    args: [MCP_RUN, 'serve', '--stdio', ...(await flagsFor(cue, folder)), cue.url],
    env: inheritedEnvironment({ BROWSER, MCP_RUN_CONFIG_DIR: folder, MCP_RUN_LOG_FORMAT: 'json' }),
    stderr: 'pipe',
  });
  let log = '';
  transport.stderr?.on('data', (text: unknown) => (log += String(text)));
  let failure: unknown;
  try {
    await client.connect(transport);
    await act(actor, cue);
  } catch (error) {
    failure = error;
  } finally {
    await client.close();
  }
  if (failure !== undefined && !isRefused) throw new Error(`${String(failure)}\n${log}`);
  if (failure === undefined && isRefused) throw new Error(`accepted what it had to refuse\n${log}`);
}

async function flagsFor({ scenario, context }: Step, folder: string): Promise<string[]> {
  if (!scenario.startsWith('auth/')) return [];
  const { client_id: id, client_secret: secret, private_key_pem: key } = context;
  const flags = ['--oauth-client-metadata-url', METADATA_URL];
  if (scenario.startsWith('auth/client-credentials')) flags.push('--oauth-grant', 'client-credentials');
  if (id !== undefined) flags.push('--oauth-client-id', String(id));
  if (secret !== undefined)
    flags.push('--oauth-client-secret-file', await fileWith(secret, folder, 'secret'));
  if (key !== undefined) flags.push('--oauth-private-key-file', await fileWith(key, folder, 'key.pem'));
  return flags;
}

async function fileWith(content: unknown, folder: string, name: string): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, String(content), { mode: 0o600 });
  return file;
}

const ANYTHING: StandardSchemaV1<unknown, Json> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: json(value) }) },
};
