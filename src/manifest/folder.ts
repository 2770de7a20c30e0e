import { basename, dirname } from 'node:path';

/** The folder that an editor would have opened; relative paths in a manifest start there. */
export function folderOf(manifestPath: string): string {
  const folder = dirname(manifestPath);
  return /^\.(vscode|cursor)$/.test(basename(folder)) ? dirname(folder) : folder;
}
