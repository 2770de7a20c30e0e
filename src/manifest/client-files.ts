import { homedir } from 'node:os';
import { join } from 'node:path';

/** Programs whose own file `init --from` knows where to find. */
export const CLIENTS = ['claude', 'cursor', 'vscode'] as const;
export type ClientName = (typeof CLIENTS)[number];

export interface Surroundings {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
}

export function isClientName(text: string): text is ClientName {
  return CLIENTS.some((name) => name === text);
}

/** Where a client keeps its servers, this project's place first. */
export function clientFiles(client: ClientName, { cwd, env, platform }: Surroundings): readonly string[] {
  const home = env['HOME'] ?? env['USERPROFILE'] ?? homedir();
  const applications = applicationFolder(home, env, platform);
  switch (client) {
    case 'claude':
      return [
        join(cwd, '.mcp.json'),
        join(applications, 'Claude', 'claude_desktop_config.json'),
        join(home, '.claude.json'),
      ];
    case 'cursor':
      return [join(cwd, '.cursor', 'mcp.json'), join(home, '.cursor', 'mcp.json')];
    case 'vscode':
      return [join(cwd, '.vscode', 'mcp.json'), join(applications, 'Code', 'User', 'mcp.json')];
  }
}

/** Where programs keep their settings, by the platform's custom. */
function applicationFolder(home: string, env: Surroundings['env'], platform: NodeJS.Platform): string {
  if (platform === 'darwin') return join(home, 'Library', 'Application Support');
  if (platform === 'win32') return env['APPDATA'] ?? join(home, 'AppData', 'Roaming');
  return env['XDG_CONFIG_HOME'] ?? join(home, '.config');
}
