import { toRunError } from '../errors.ts';

/** What is known about each server from the starts of its processes; the one source of readiness. */
export interface Status {
  started(server: string): void;
  /** It could not be started, or ended before its first answer. */
  failed(server: string, error: unknown): void;
  /** Server → why its last start failed; undefined if none did. */
  problems(): Readonly<Record<string, string>> | undefined;
}

export function createStatus(): Status {
  const lastFailure = new Map<string, string>();

  return {
    started: (server) => void lastFailure.delete(server),
    failed: (server, error) => void lastFailure.set(server, toRunError(error).message),
    problems: () => (lastFailure.size === 0 ? undefined : Object.fromEntries(lastFailure)),
  };
}
