import { homedir } from 'node:os';
import { join } from 'node:path';
import { applicationFolder } from './config-directory.ts';

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
  const applications = applicationFolder(env, platform);
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
