import { access, constants, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join, resolve } from 'node:path';

/**
 * Where a command would be found, as the operating system looks for it.
 * @param env the environment that the command would get; its PATH counts
 * @returns undefined if it would not be found; on Windows always the command itself, for its rules are many
 */
export async function findCommand(
  command: string,
  env: Readonly<Record<string, string>>,
  cwd: string | undefined,
): Promise<string | undefined> {
  if (process.platform === 'win32') return command;
  const hasFolder = isAbsolute(command) || command.includes('/');
  const folders = hasFolder ? [cwd ?? process.cwd()] : (env['PATH'] ?? '').split(delimiter);
  for (const folder of folders) {
    const path = hasFolder ? resolve(folder, command) : join(folder || '.', command);
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
