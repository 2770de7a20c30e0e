/**
 * The variable by which the descendants of a server process are found after they have left its process group. Its name
 * does not begin with `MCP_RUN_`, since an mcp-run that is started by a server drops such variables.
 */
export const MARKER = '_MCPR_CHILD';
/** Value of the variable in processes that are meant to outlive mcp-run: its watchdog, the user's browser. */
export const RELEASED = 'none';

/** Deepest nesting of mcp-run in mcp-run whose outermost level still finds all descendants. */
const MAX_LEVELS = 16;
const PATH = /^[0-9a-z]+(?::[0-9a-z]+)*$/;

export interface Marker {
  /** Unique for each server process. */
  readonly id: string;
  /** Value of the variable: the ids of all mcp-run processes above, outermost first, then `id`. */
  readonly value: string;
}

/**
 * @param now milliseconds since 1970
 * @param outer value of the variable in our own environment: we were started by a server of another mcp-run
 */
export function createMarker(now: number, outer = process.env[MARKER]): Marker {
  const parts = [process.pid, now].map((part) => part.toString(36));
  const id = [...parts, Math.random().toString(36).slice(2)].join('');
  return { id, value: [...idsIn(outer ?? '').slice(1 - MAX_LEVELS), id].join(':') };
}

/** The ids in a value of the variable; none if the process is released or the value is not one of ours. */
export function idsIn(value: string): string[] {
  return value !== RELEASED && PATH.test(value) ? value.split(':') : [];
}
