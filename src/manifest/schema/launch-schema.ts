import { z } from 'zod';
import { remoteLaunchOptions } from './remote-schema.ts';
import { duration, flag, launch, list, text } from './schema-parts.ts';

/** What only the command line and the environment say: which server, and how it is started. */
export const launchSchema = z.object({
  config: launch('list', list(), {
    flag: '--config <file>',
    commands: ['serve', 'check', 'list', 'login', 'logout'],
    env: 'MCP_RUN_CONFIG',
    group: 'What to serve',
    description:
      'A manifest; repeatable, and a later file replaces servers and settings of an earlier one. The variable names one file',
  }),
  server: launch('list', list(), {
    flag: '--server <name>',
    commands: ['serve', 'check', 'list', 'login', 'logout'],
    env: 'MCP_RUN_SERVER',
    group: 'What to serve',
    description: 'Only this server of the manifest, also when it is disabled there; repeatable',
  }),
  strict: launch('boolean', flag(), {
    flag: '--strict',
    commands: ['serve', 'check', 'list', 'login', 'logout'],
    env: 'MCP_RUN_STRICT',
    group: 'What to serve',
    default: false,
    description: 'Fail for an error in any entry of the manifest, instead of leaving that entry out',
  }),
  demo: launch('boolean', flag(), {
    flag: '--demo',
    commands: ['serve', 'check'],
    env: 'MCP_RUN_DEMO',
    group: 'What to serve',
    default: false,
    description: 'The small server that comes with mcp-run',
  }),
  name: launch('string', text(), {
    flag: '--name <name>',
    commands: ['serve', 'check', 'login'],
    env: 'MCP_RUN_NAME',
    group: 'What to serve',
    description:
      'The name of the server that is a command or a URL on the command line; without it derived from that',
  }),
  env: launch('list', list(), {
    flag: '--env <name=value>',
    commands: ['serve', 'check'],
    env: 'MCP_RUN_ENV',
    group: 'The server process',
    description: 'Set a variable for the server; repeatable',
  }),
  envFile: launch('list', list(), {
    flag: '--env-file <file>',
    commands: ['serve', 'check'],
    env: 'MCP_RUN_ENV_FILE',
    group: 'The server process',
    description: 'Set the variables in this file for the server; repeatable',
  }),
  passEnv: launch('list', list(), {
    flag: '--pass-env <name>',
    commands: ['serve', 'check'],
    env: 'MCP_RUN_PASS_ENV',
    group: 'The server process',
    description: 'Pass a variable of our own on to the server: NAME, PREFIX_* or * for all; repeatable',
  }),
  token: launch('string', text(), {
    flag: null,
    env: 'MCP_RUN_TOKEN',
    group: 'Access',
    description:
      'A bearer token that lets network clients in; no flag, because arguments are public on a machine',
  }),
  cwd: launch('string', text(), {
    flag: '--cwd <directory>',
    commands: ['serve', 'check'],
    env: 'MCP_RUN_CWD',
    group: 'The server process',
    description: 'The directory the server is started in',
  }),
  ignoreTool: launch('list', list(), {
    flag: '--ignore-tool <pattern>',
    commands: ['serve', 'check'],
    env: 'MCP_RUN_IGNORE_TOOL',
    group: 'Access',
    description: 'Tool that clients neither see nor call; * stands for any text; repeatable',
  }),
  ...remoteLaunchOptions,
  color: launch('boolean', flag(), {
    flag: '--no-color',
    commands: ['serve', 'check', 'list', 'init', 'schema', 'login', 'logout', 'tokens'],
    env: null,
    group: 'Log',
    description: 'No colours; the variables NO_COLOR and FORCE_COLOR work too',
  }),
});

/** What only the companions of `serve` can be told. */
export const companionSchema = z.object({
  timeout: launch('duration', duration(), {
    flag: '--timeout <duration>',
    commands: ['check'],
    env: 'MCP_RUN_TIMEOUT',
    group: 'Limits',
    default: '60s',
    description: 'How long a server may take to start and to say what it offers',
  }),
  from: launch('string', text(), {
    flag: '--from <file>',
    commands: ['init'],
    env: null,
    group: 'What to serve',
    description:
      "Take the servers of another client's file; claude, cursor, vscode, codex, gemini and others find that client's own one",
  }),
  force: launch('boolean', flag(), {
    flag: '--force',
    commands: ['init'],
    env: null,
    group: 'Output',
    default: false,
    description: 'Overwrite the file if it is there',
  }),
  all: launch('boolean', flag(), {
    flag: '--all',
    commands: ['logout'],
    env: null,
    group: 'What to serve',
    default: false,
    description: 'Every server that tokens are stored for',
  }),
  json: launch('boolean', flag(), {
    flag: '--json',
    commands: ['check', 'list', 'init', 'schema', 'login', 'logout', 'tokens'],
    env: null,
    group: 'Output',
    default: false,
    description: 'One JSON document on stdout, for programs',
  }),
});
