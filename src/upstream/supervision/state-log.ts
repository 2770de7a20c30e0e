import type { RunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';
import type { ServerState } from './server-state.ts';

/** Logs a change of a server's state. @param retryInMs until the next start may be made */
export function logState(log: Log, state: ServerState, before: ServerState, retryInMs: number): void {
  const seconds = Math.max(0, retryInMs / 1000).toFixed(1);
  const fields = { event: 'server.state', state, before };
  switch (state) {
    case 'crash-loop':
      return log.error(fields, `crash loop: new clients are refused, the next start is in ${seconds} s`);
    case 'backoff':
      return log.warn(fields, `backoff: the next start is in ${seconds} s`);
    case 'degraded':
      return log.warn(fields, 'degraded: running processes answer, but the last start of another one failed');
    case 'ready':
      // The ordinary course of a session is no news; a recovery is.
      return before === 'starting' ? log.debug(fields, 'ready') : log.info(fields, 'ready again');
    case 'starting':
      return log.debug(fields, 'starting');
    case 'stopped':
      return log.debug(fields, 'stopped: no process is running');
  }
}

/** The error, the end of the server's stderr, and what to do: one line. */
export function withAdvice(error: RunError): string {
  const { stderr = '' } = error.fields;
  const tail = stderr === '' ? '' : `; its last words: ${String(stderr).replaceAll('\n', ' | ')}`;
  const advice = error.hint === '' ? '' : `. ${error.hint}`;
  return `${error.message}${tail}${advice}`;
}
