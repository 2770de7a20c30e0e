import { RunError } from '../errors.ts';
import type { RemoteTarget } from '../config/types.ts';
import type { RejectedServer } from '../manifest/settings.ts';
import type { CommandCall } from './command.ts';
import { readInspection } from './manifest-source.ts';

export interface RemoteServer {
  readonly name: string;
  readonly target: RemoteTarget;
}

/** The remote servers that a command line is about. */
export interface RemoteServers {
  readonly usable: readonly RemoteServer[];
  /** With errors in their entries. */
  readonly rejected: readonly RejectedServer[];
}

/** @throws RunError `USAGE` if there is none */
export async function readRemoteServers({ args, context }: CommandCall): Promise<RemoteServers> {
  const { manifest } = await readInspection(args, context);
  const rejected = (manifest.rejected ?? []).filter(({ kind }) => kind === 'remote');
  const remote = manifest.servers.flatMap(({ name, target }) =>
    target.kind === 'remote' ? [{ name, target }] : [],
  );
  if (remote.length + rejected.length === 0)
    throw new RunError('USAGE', { detail: `${manifest.source} has no remote server` });
  return { usable: remote, rejected };
}
