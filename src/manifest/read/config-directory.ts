import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

type Variables = Readonly<Record<string, string | undefined>>;

/** Where programs keep a user's settings, by the platform's custom. */
export function applicationFolder(env: Variables, platform: NodeJS.Platform): string {
  const home = env['HOME'] ?? env['USERPROFILE'] ?? homedir();
  if (platform === 'darwin') return join(home, 'Library', 'Application Support');
  if (platform === 'win32') return env['APPDATA'] ?? join(home, 'AppData', 'Roaming');
  const xdg = env['XDG_CONFIG_HOME'] ?? '';
  // XDG Base Directory: a path that is not absolute is to be ignored.
  return isAbsolute(xdg) ? xdg : join(home, '.config');
}

/** Where OAuth tokens are kept: below MCP_RUN_CONFIG_DIR, or below our own folder among the user's settings. */
export function tokenStoreDirectory(env: Variables, platform: NodeJS.Platform = process.platform): string {
  const own = env['MCP_RUN_CONFIG_DIR'] ?? '';
  const root = own === '' ? join(applicationFolder(env, platform), 'mcp-run') : resolve(own);
  return join(root, 'oauth');
}
