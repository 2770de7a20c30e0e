import { homedir } from 'node:os';
import { join } from 'node:path';
import { applicationFolder } from './config-directory.ts';

export interface Surroundings {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
}

/** The folders that clients keep their files below. */
interface Folders {
  readonly cwd: string;
  readonly home: string;
  /** Where programs keep a user's settings, by the platform's custom. */
  readonly applications: string;
  /** The same for programs that follow the XDG custom on every platform but Windows. */
  readonly config: string;
}

const CODE_EXTENSIONS = ['Code', 'User', 'globalStorage'];

/** Programs whose own file `init --from` knows where to find, this project's place first. */
const FILES = {
  claude: ({ cwd, home, applications }) => [
    join(cwd, '.mcp.json'),
    join(applications, 'Claude', 'claude_desktop_config.json'),
    join(home, '.claude.json'),
  ],
  cursor: ({ cwd, home }) => [join(cwd, '.cursor', 'mcp.json'), join(home, '.cursor', 'mcp.json')],
  vscode: ({ cwd, applications }) => [
    join(cwd, '.vscode', 'mcp.json'),
    join(applications, 'Code', 'User', 'mcp.json'),
    join(cwd, '.vscode', 'settings.json'),
    join(applications, 'Code', 'User', 'settings.json'),
  ],
  codex: ({ cwd, home }) => [join(cwd, '.codex', 'config.toml'), join(home, '.codex', 'config.toml')],
  gemini: ({ cwd, home }) => [join(cwd, '.gemini', 'settings.json'), join(home, '.gemini', 'settings.json')],
  qwen: ({ cwd, home }) => [join(cwd, '.qwen', 'settings.json'), join(home, '.qwen', 'settings.json')],
  windsurf: ({ home }) => [join(home, '.codeium', 'windsurf', 'mcp_config.json')],
  zed: ({ cwd, config, applications }) => [
    join(cwd, '.zed', 'settings.json'),
    join(config, 'zed', 'settings.json'),
    join(applications, 'Zed', 'settings.json'),
  ],
  cline: ({ home, applications }) => [
    join(home, '.cline', 'data', 'settings', 'cline_mcp_settings.json'),
    join(applications, ...CODE_EXTENSIONS, 'saoudrizwan.claude-dev', 'settings', 'cline_mcp_settings.json'),
  ],
  roo: ({ cwd, applications }) => [
    join(cwd, '.roo', 'mcp.json'),
    join(applications, ...CODE_EXTENSIONS, 'rooveterinaryinc.roo-cline', 'settings', 'mcp_settings.json'),
  ],
  opencode: ({ cwd, config }) => [
    join(cwd, 'opencode.json'),
    join(cwd, 'opencode.jsonc'),
    join(config, 'opencode', 'opencode.json'),
    join(config, 'opencode', 'opencode.jsonc'),
  ],
  crush: ({ cwd, config }) => [
    join(cwd, '.crush.json'),
    join(cwd, 'crush.json'),
    join(config, 'crush', 'crush.json'),
  ],
  goose: ({ config, applications }) => [
    join(config, 'goose', 'config.yaml'),
    join(applications, 'Block', 'goose', 'config', 'config.yaml'),
  ],
  continue: ({ home }) => [join(home, '.continue', 'config.yaml'), join(home, '.continue', 'config.json')],
  copilot: ({ cwd, home }) => [join(cwd, '.github', 'mcp.json'), join(home, '.copilot', 'mcp-config.json')],
  amp: ({ cwd, config }) => [join(cwd, '.amp', 'settings.json'), join(config, 'amp', 'settings.json')],
  kiro: ({ cwd, home }) => [
    join(cwd, '.kiro', 'settings', 'mcp.json'),
    join(home, '.kiro', 'settings', 'mcp.json'),
  ],
  amazonq: ({ cwd, home }) => [join(cwd, '.amazonq', 'mcp.json'), join(home, '.aws', 'amazonq', 'mcp.json')],
  junie: ({ cwd, home }) => [join(cwd, '.junie', 'mcp', 'mcp.json'), join(home, '.junie', 'mcp', 'mcp.json')],
  lmstudio: ({ home }) => [join(home, '.lmstudio', 'mcp.json')],
} as const satisfies Readonly<Record<string, (folders: Folders) => readonly string[]>>;

export type ClientName = keyof typeof FILES;

export function isClientName(text: string): text is ClientName {
  return Object.hasOwn(FILES, text);
}

/** Where a client keeps its servers. */
export function clientFiles(client: ClientName, { cwd, env, platform }: Surroundings): readonly string[] {
  const home = env['HOME'] ?? env['USERPROFILE'] ?? homedir();
  const applications = applicationFolder(env, platform);
  const config = platform === 'darwin' ? join(home, '.config') : applications;
  return FILES[client]({ cwd, home, applications, config });
}
