import { homedir } from 'node:os';
import { basename, sep } from 'node:path';
import type { Variables } from './expand.ts';
import { folderOf } from './folder.ts';

/** What `${…}` stands for in the manifest at this path. */
export function variablesOf(manifestPath: string, values: Pick<Variables, 'env' | 'input'>): Variables {
  const folder = folderOf(manifestPath);
  return {
    ...values,
    known: new Map([
      ['workspaceFolder', folder],
      ['workspaceFolderBasename', basename(folder)],
      ['userHome', homedir()],
      ['pathSeparator', sep],
      ['/', sep],
    ]),
  };
}
