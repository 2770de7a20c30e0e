/** An option is described in the schema and read by its consumer; everything between follows. */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cleanEnvironment, root } from './support/places.ts';

const PARTS = ['bin', 'schema', 'scripts', 'src', 'docs/options.md', 'package.json', 'package-lock.json'];
const SETUP = ['.oxfmtrc.json', 'tsconfig.json', 'tsconfig.build.json'];

const SERVE_OPTIONS = `
    napTime: option('duration', duration(), {
      flag: '--nap-time <duration>',
      env: 'MCP_RUN_NAP_TIME',
      group: 'Limits',
      default: '3s',
      description: 'Duration of a nap',
    }),
    sleepy: option('boolean', flag(), {
      flag: '--sleepy',
      env: 'MCP_RUN_SLEEPY',
      group: 'Limits',
      default: false,
      description: 'Naps between requests',
    }),`;

const SERVER_OPTION = `
    bedtime: serverOption('duration', duration(), { description: 'The bedtime of this server.', default: '8h' }),`;

/** Types make sure that a consumer gets a number, a boolean and a number. */
const CONSUMER = `
    const { napTimeMs, sleepy } = manifest.settings;
    const bedtimes: readonly number[] = manifest.servers.map(({ bedtimeMs }) => bedtimeMs);
    const nap: { readonly napTimeMs: number; readonly sleepy: boolean } = { napTimeMs, sleepy };
    context.stdout.write(JSON.stringify({ ...nap, bedtimes }));
    if (bedtimes.length > 0) return 0;`;

const run = promisify(execFile);
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'mcp-run-new-option-')));

beforeAll(async () => {
  for (const part of [...PARTS, ...SETUP]) cpSync(join(root, part), join(folder, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir');
  insertAfter('src/manifest/schema/serve-schema.ts', '\n  .strictObject({', SERVE_OPTIONS);
  insertAfter('src/manifest/schema/server-schema.ts', '\n  .looseObject({', SERVER_OPTION);
  insertAfter('src/cli/commands/serve.ts', 'const manifest = await readManifest(args, context);', CONSUMER);
  await node('scripts/generate.js');
  await node('scripts/build.js');
}, 180_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('an option that the schema and its consumer alone know', () => {
  const defaults = { napTimeMs: 3_000, sleepy: false, bedtimes: [28_800_000] };
  const server = { command: 'none' };

  test('has its default', async () => {
    expect(await serve({ mcpServers: { a: server } })).toEqual(defaults);
    expect(JSON.parse(await node('bin/mcp-run.js', 'serve', '--', 'none'))).toEqual(defaults);
  });

  test('has a key in the manifest, which is checked', async () => {
    const manifest = {
      mcpServers: { a: { ...server, bedtime: '9h' } },
      serve: { napTime: '4s', sleepy: true },
    };
    const expected = { napTimeMs: 4_000, sleepy: true, bedtimes: [32_400_000] };
    expect(await serve(manifest)).toEqual(expected);
    await expect(serve({ ...manifest, serve: { napTime: 'long' } })).rejects.toThrow(
      /serve\.napTime: \\"long\\" is not a duration/,
    );
  });

  test('has a variable, which wins over the manifest', async () => {
    const manifest = { mcpServers: { a: server }, serve: { napTime: '4s' } };
    const env = { MCP_RUN_NAP_TIME: '5s', MCP_RUN_SLEEPY: 'yes' };
    expect(await serve(manifest, [], env)).toEqual({ ...defaults, napTimeMs: 5_000, sleepy: true });
  });

  test('has a flag, which wins over the variable and can be turned off', async () => {
    const manifest = { mcpServers: { a: server }, serve: { sleepy: true } };
    const flags = ['--nap-time', '6s', '--no-sleepy'];
    expect(await serve(manifest, flags, { MCP_RUN_NAP_TIME: '5s' })).toEqual({
      ...defaults,
      napTimeMs: 6_000,
    });
    await expect(serve(manifest, ['--nap-time', 'long'])).rejects.toThrow(
      /--nap-time: "long" is not a duration/,
    );
  });

  test('is in the help, the docs and the JSON Schema', async () => {
    const help = await node('bin/mcp-run.js', 'serve', '--help');
    expect(help).toMatch(/--nap-time <duration>\s+Duration of a nap \(default: 3s\)/);
    expect(help).toMatch(/--sleepy\s+Naps between requests/);
    const docs = read('docs/options.md');
    expect(docs).toContain(
      '| `--nap-time <duration>` | `MCP_RUN_NAP_TIME` | `serve.napTime` | `3s` | Duration of a nap |',
    );
    expect(docs).toContain('| `bedtime` | The bedtime of this server. |');
    expect(JSON.parse(read('schema/mcp-run.schema.json'))).toMatchObject({
      properties: {
        serve: { properties: { napTime: { default: '3s' }, sleepy: { type: 'boolean', default: false } } },
        mcpServers: { additionalProperties: { properties: { bedtime: { default: '8h' } } } },
      },
    });
  });
});

/** Runs `serve` with a manifest; the consumer prints the options and ends it. */
async function serve(manifest: object, flags: readonly string[] = [], env: object = {}): Promise<unknown> {
  writeFileSync(join(folder, 'mcp.json'), JSON.stringify(manifest));
  return JSON.parse(await nodeWith(env, 'bin/mcp-run.js', 'serve', 'mcp.json', ...flags));
}

function node(...args: readonly string[]): Promise<string> {
  return nodeWith({}, ...args);
}

/** The standard output of a program of the copy; its standard error is in the message if it fails. */
async function nodeWith(env: object, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, args, {
    cwd: folder,
    env: { ...cleanEnvironment(), ...env },
  });
  return stdout;
}

function insertAfter(file: string, anchor: string, text: string): void {
  const source = read(file);
  const at = source.indexOf(anchor);
  if (at === -1) throw new Error(`${file} has no ${anchor}`);
  const end = at + anchor.length;
  writeFileSync(join(folder, file), source.slice(0, end) + text + source.slice(end));
}

function read(file: string): string {
  return readFileSync(join(folder, file), 'utf8');
}
