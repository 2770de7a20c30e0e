import type { CommandName } from '../manifest/schema/options.ts';
import type { Command } from './command.ts';

interface CommandText {
  readonly name: CommandName;
  readonly summary: string;
  readonly description: string;
  readonly usage: string;
  /** The positional argument. */
  readonly argument: readonly [name: string, description: string] | undefined;
  /** What goes behind `--`, as an infinitive; undefined: nothing does. */
  readonly commandPurpose: string | undefined;
  readonly examples: string;
  readonly load: () => Promise<Command>;
}

const MANIFEST = ['[manifest]', 'a manifest file; JSON, JSON with comments, or YAML'] as const;
const MANIFEST_OR_URL = ['[manifest]', `${MANIFEST[1]}; or the URL of a remote server`] as const;

/** What `mcp-run` can do; each is loaded when it is asked for. */
export const COMMANDS: readonly CommandText[] = [
  {
    name: 'serve',
    summary: 'serve the servers of a manifest, one URL, or one command',
    description:
      'Serve the servers of a manifest, the remote one at a URL, or the one that a command after -- starts.',
    usage: '[options] [manifest | URL | -- command…]',
    argument: MANIFEST_OR_URL,
    commandPurpose: 'serve',
    examples: `
Examples:
  mcp-run serve                                   the manifest of this directory, over HTTP and SSE
  mcp-run serve mcp.json --server files --stdio   one server of a manifest, for a client that starts us
  mcp-run serve --http -- npx -y @modelcontextprotocol/server-filesystem .
  mcp-run serve --stdio https://example.com/mcp   a remote server, for a client that starts us
  mcp-run serve --demo                            the bundled server, to try a client with

Without a manifest, a URL or a command, the first of these is used: MCP_RUN_CONFIG, mcp-run.json, mcp-run.jsonc,
mcp-run.yaml, mcp.json, .mcp.json, .vscode/mcp.json. Every option has a variable: --port is MCP_RUN_PORT.
Durations are written 30s or 5m, sizes 512kb or 4mb.
`,
    load: async () => {
      const { serve } = await import('./commands/serve.ts');
      return ({ args, context, reporting }) => serve(args, context, reporting);
    },
  },
  {
    name: 'check',
    summary: 'start every server once, and say what it is or why it fails',
    description:
      'Check a manifest, start each of its servers, ask it what it offers, and stop it again. With a URL, or a command after --, check that one.',
    usage: '[options] [manifest | URL | -- command…]',
    argument: MANIFEST_OR_URL,
    commandPurpose: 'check',
    examples: `
Examples:
  mcp-run check                                   every server of the manifest of this directory
  mcp-run check mcp.json --server files --timeout 2m
  mcp-run check -- npx -y @modelcontextprotocol/server-filesystem .
  mcp-run check https://example.com/mcp
  mcp-run check --json | jq '.servers[].tools'

Exit codes: 0 all is well, 2 the manifest is wrong, 4 a server cannot start, 5 a server answered with an error.
`,
    load: async () => (await import('./commands/check.ts')).check,
  },
  {
    name: 'list',
    summary: 'show what a manifest holds, without starting anything',
    description:
      'Show the servers of a manifest and where they are declared. Starts nothing, shows no secrets.',
    usage: '[options] [manifest]',
    argument: MANIFEST,
    commandPurpose: undefined,
    examples: `
Examples:
  mcp-run list
  mcp-run list ~/.cursor/mcp.json
  mcp-run list --json | jq -r '.servers[].name'
`,
    load: async () => (await import('./commands/list.ts')).list,
  },
  {
    name: 'init',
    summary: "write a manifest to start with, or import another client's",
    description:
      "Write a manifest: one with comments to start with, or the servers of another client's file.",
    usage: '[options] [file]',
    argument: ['[file]', 'the file to write; mcp-run.jsonc without it, and YAML if it ends in .yaml'],
    commandPurpose: undefined,
    examples: `
Examples:
  mcp-run init                                    writes mcp-run.jsonc
  mcp-run init mcp-run.yaml
  mcp-run init --from claude                      Claude Desktop's servers, or Claude Code's
  mcp-run init team.jsonc --from .vscode/mcp.json --force
`,
    load: async () => (await import('./commands/init.ts')).init,
  },
  {
    name: 'login',
    summary: 'authorize mcp-run at remote servers, now',
    description:
      'Authorize mcp-run at the remote servers of a manifest, or at the one at a URL. Opens a browser, and stores the tokens for serve.',
    usage: '[options] [manifest | URL]',
    argument: MANIFEST_OR_URL,
    commandPurpose: undefined,
    examples: `
Examples:
  mcp-run login https://example.com/mcp
  mcp-run login --server tracker                  one server of the manifest of this directory
  mcp-run login https://example.com/mcp --no-browser --callback-port 8765

Without a browser on this machine, open the URL that is printed on another one, and forward the callback port
to this one. serve asks by itself when a server wants it; login is for doing so before.

Exit codes: 0 all is well, 2 the command line is wrong, 3 not authorized, 4 a server cannot be reached.
`,
    load: async () => (await import('./commands/login.ts')).login,
  },
  {
    name: 'logout',
    summary: 'give back and delete the tokens of remote servers',
    description:
      'Delete the tokens of the remote servers of a manifest, or of the one at a URL, and revoke them where that is possible.',
    usage: '[options] [manifest | URL]',
    argument: MANIFEST_OR_URL,
    commandPurpose: undefined,
    examples: `
Examples:
  mcp-run logout https://example.com/mcp
  mcp-run logout --server tracker
  mcp-run logout --all
`,
    load: async () => (await import('./commands/logout.ts')).logout,
  },
  {
    name: 'tokens',
    summary: 'list the servers that tokens are stored for',
    description: 'List the remote servers that tokens are stored for. Never shows a token.',
    usage: '[options]',
    argument: undefined,
    commandPurpose: undefined,
    examples: `
Examples:
  mcp-run tokens
  mcp-run tokens --json | jq -r '.servers[].url'
`,
    load: async () => (await import('./commands/tokens.ts')).tokens,
  },
  {
    name: 'schema',
    summary: 'print the JSON Schema of the manifest',
    description: 'Print the JSON Schema of the manifest, for editors and validators.',
    usage: '[options]',
    argument: undefined,
    commandPurpose: undefined,
    examples: `
Examples:
  mcp-run schema > mcp-run.schema.json
`,
    load: async () => (await import('./commands/schema.ts')).schema,
  },
];
