import { homedir } from 'node:os';
import { basename, dirname, sep } from 'node:path';
import type { Variables } from './expand.ts';
import { workspaceFolderOf } from '../read/workspace-folder.ts';

/** What `${…}` stands for in the manifest at this path. */
export function variablesOf(manifestPath: string, values: Pick<Variables, 'env' | 'input'>): Variables {
  const folder = workspaceFolderOf(manifestPath);
  return {
    ...values,
    known: knownVariables(folder, dirname(manifestPath)),
    otherwise: new Map([
      ['HOME', homedir()],
      ['CLAUDE_PROJECT_DIR', folder],
      ['CLAUDE_PLUGIN_ROOT', dirname(manifestPath)],
    ]),
  };
}

/** What editors and bundles call the folders around a file. */
function knownVariables(folder: string, fileFolder: string): ReadonlyMap<string, string> {
  return new Map([
    ['workspaceFolder', folder],
    [`workspaceFolder:${basename(folder)}`, folder],
    ['workspaceRoot', folder],
    ['fileWorkspaceFolder', folder],
    ['cwd', folder],
    ['workspaceFolderBasename', basename(folder)],
    ['workspaceRootFolderName', basename(folder)],
    ['extensionPath', fileFolder],
    ['__dirname', fileFolder],
    ['userHome', homedir()],
    ['pathSeparator', sep],
    ['/', sep],
  ]);
}
