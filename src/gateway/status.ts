import type { Readiness } from '../downstream/listeners.ts';
import type { ServerSnapshot } from '../upstream/supervision/server-snapshot.ts';
import type { Supervisor } from '../upstream/supervision/supervisor.ts';

/** Status of every server; the one source of /readyz and listings. */
export interface Status {
  snapshots(): readonly ServerSnapshot[];
  /** Whether new clients can count on the servers. */
  readiness(): Readiness;
}

/** Why no new client can count on a server: for every client, and for those that may know its name. */
interface Problem {
  readonly code: string;
  readonly text: string;
}

export function createStatus(supervisors: Iterable<Pick<Supervisor, 'snapshot'>>): Status {
  const all = [...supervisors];
  const snapshots = (): ServerSnapshot[] => all.map((supervisor) => supervisor.snapshot());

  return {
    snapshots,
    readiness() {
      const current = snapshots();
      const found = current.flatMap((snapshot) => {
        const problem = problemOf(snapshot);
        return problem === undefined ? [] : [{ server: snapshot.server, ...problem }];
      });
      return {
        codes: [...new Set(found.map(({ code }) => code))],
        servers: Object.fromEntries(current.map(({ server, state }) => [server, state])),
        problems: Object.fromEntries(found.map(({ server, text }) => [server, text])),
      };
    },
  };
}

/**
 * Without a process a server is ready unless its last start failed: processes are started by clients. `degraded` is
 * ready: a load balancer that drops it would cut off the clients whose processes answer.
 */
function problemOf({ state, lastFailure }: ServerSnapshot): Problem | undefined {
  const reason = lastFailure?.publicMessage;
  switch (state) {
    case 'ready':
    case 'degraded':
      return undefined;
    case 'stopped':
    case 'starting':
      return reason === undefined ? undefined : { code: 'failed start', text: reason };
    case 'backoff':
      return { code: 'backoff', text: `${state}: ${reason ?? 'it failed to start'}` };
    case 'crash-loop':
      return { code: 'crash loop', text: `${state}: ${reason ?? 'it failed to start'}` };
  }
}
