/**
 * What a server can be in; the one vocabulary of /readyz, the log and `mcp-run check`.
 *
 * - stopped: nothing runs; the next client starts it
 * - starting: started, and has not answered yet
 * - ready: it answers
 * - degraded: a process of it answers, but the last start of another one failed
 * - backoff: the last start failed, nothing of it answers, and the next start has to wait
 * - crash-loop: it keeps failing: clients are refused, and it is tried now and then
 */
export const SERVER_STATES = ['stopped', 'starting', 'ready', 'degraded', 'backoff', 'crash-loop'] as const;
export type ServerState = (typeof SERVER_STATES)[number];

/**
 * - start: a process is being started
 * - answer: a process gave its first answer
 * - failure: a start failed
 * - loop: a start failed, and that was one too many
 * - unstartable: there is nothing to start: no such command
 * - unreachable: a remote server that has answered cannot be reached any more
 * - empty: no process is left that has answered
 * - stop: mcp-run stops it for good
 */
export const SERVER_EVENTS = [
  'start',
  'answer',
  'failure',
  'loop',
  'unstartable',
  'unreachable',
  'empty',
  'stop',
] as const;
export type ServerEvent = (typeof SERVER_EVENTS)[number];

/** State → event → next state; an event that is not listed changes nothing. */
const TRANSITIONS: Readonly<Record<ServerState, Readonly<Partial<Record<ServerEvent, ServerState>>>>> = {
  stopped: { start: 'starting', failure: 'backoff', loop: 'crash-loop', unreachable: 'backoff' },
  starting: {
    answer: 'ready',
    failure: 'backoff',
    loop: 'crash-loop',
    unstartable: 'stopped',
    unreachable: 'backoff',
    empty: 'stopped',
    stop: 'stopped',
  },
  ready: {
    failure: 'degraded',
    loop: 'crash-loop',
    unstartable: 'degraded',
    unreachable: 'backoff',
    empty: 'stopped',
    stop: 'stopped',
  },
  degraded: {
    answer: 'ready',
    loop: 'crash-loop',
    unreachable: 'backoff',
    empty: 'backoff',
    stop: 'stopped',
  },
  // A new attempt is no news before it has answered.
  backoff: { answer: 'ready', loop: 'crash-loop', stop: 'stopped' },
  'crash-loop': { answer: 'ready', stop: 'stopped' },
};

export function nextState(state: ServerState, event: ServerEvent): ServerState {
  return TRANSITIONS[state][event] ?? state;
}
