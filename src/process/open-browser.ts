import { spawn } from 'node:child_process';
import { delimiter } from 'node:path';
import { MARKER, RELEASED } from './marker.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Opens a URL in the user's browser: `$BROWSER`, a list of commands of which the first that can be started counts, or
 * else the platform's way. Does not wait for it.
 * @param url with http or https as its scheme
 * @returns whether something was started
 */
export async function openBrowser(url: URL, env: Variables = process.env): Promise<boolean> {
  for (const command of commandsFor(url.href, env)) if (await starts(command, env)) return true;
  return false;
}

function commandsFor(url: string, env: Variables): readonly (readonly string[])[] {
  const named = env['BROWSER'] ?? '';
  if (named !== '') {
    return named
      .split(delimiter)
      .map((command) => command.split(' ').filter((part) => part !== ''))
      .filter((parts) => parts.length > 0)
      .map((parts) =>
        parts.some((part) => part.includes('%s'))
          ? parts.map((part) => part.replaceAll('%s', () => url))
          : [...parts, url],
      );
  }
  // No command interpreter sees it: a URL is full of what those obey.
  if (process.platform === 'win32') return [['rundll32.exe', 'url.dll,FileProtocolHandler', url]];
  if (process.platform === 'darwin') return [['open', url]];
  const isWsl = (env['WSL_DISTRO_NAME'] ?? '') !== '';
  const hasDisplay = (env['DISPLAY'] ?? '') !== '' || (env['WAYLAND_DISPLAY'] ?? '') !== '';
  return [
    ...(isWsl
      ? [
          ['wslview', url],
          ['rundll32.exe', 'url.dll,FileProtocolHandler', url],
        ]
      : []),
    // Without a display it would open a browser in the terminal, which is ours.
    ...(hasDisplay ? [['xdg-open', url]] : []),
  ];
}

function starts([command = '', ...args]: readonly string[], env: Variables): Promise<boolean> {
  // What is said to us alone may be a secret.
  const passed = Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('MCP_RUN_')));
  return new Promise((resolve) => {
    // It stays when we end, and when an mcp-run above us does.
    const own = process.platform === 'linux' ? { ...passed, [MARKER]: RELEASED } : passed;
    const child = spawn(command, args, { env: own, stdio: 'ignore', detached: true, windowsHide: true });
    child.once('error', () => resolve(false));
    child.once('spawn', () => {
      child.unref();
      resolve(true);
    });
  });
}
