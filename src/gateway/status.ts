import type { ServerSnapshot, Supervisor } from '../upstream/supervisor.ts';

/** How every server fares; the one source of /readyz and listings. */
export interface Status {
  snapshots(): readonly ServerSnapshot[];
  /** Server → its state, for anyone to see. */
  states(): Readonly<Record<string, string>>;
  /** Server → why no new client can count on it; undefined if all can be used. */
  problems(): Readonly<Record<string, string>> | undefined;
}

export function createStatus(supervisors: Iterable<Pick<Supervisor, 'snapshot'>>): Status {
  const all = [...supervisors];
  const snapshots = (): ServerSnapshot[] => all.map((supervisor) => supervisor.snapshot());

  return {
    snapshots,
    states: () => Object.fromEntries(snapshots().map(({ server, state }) => [server, state])),
    problems() {
      const found = snapshots().flatMap((snapshot) => {
        const problem = problemOf(snapshot);
        return problem === undefined ? [] : [[snapshot.server, problem] as const];
      });
      return found.length === 0 ? undefined : Object.fromEntries(found);
    },
  };
}

/**
 * Without a process a server is ready unless its last start failed: processes are started by clients. `degraded` is
 * ready: a load balancer that turns away would cut off the clients whose processes answer.
 */
function problemOf({ state, lastFailure }: ServerSnapshot): string | undefined {
  switch (state) {
    case 'ready':
    case 'degraded':
      return undefined;
    case 'stopped':
    case 'starting':
      return lastFailure?.message;
    case 'backoff':
    case 'crash-loop':
      return `${state}: ${lastFailure?.message ?? 'it failed to start'}`;
  }
}
