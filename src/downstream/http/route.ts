import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../clock.ts';
import type { Principal } from '../../link/principal.ts';
import type { HttpOptions } from '../listeners.ts';
import type { ParameterHeaders } from './admit/parameter-headers.ts';
import type { Sessions } from './sessions.ts';

/** One HTTP request on its way to a route. */
export interface HttpCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Undefined without a body. */
  readonly body: Buffer | undefined;
  readonly server: string;
  /** Of its client. */
  readonly principal: Principal;
}

/** Method → what it does; any other is a 405. A handler throws RunError for what it refuses. */
export type Route = Readonly<Record<string, (call: HttpCall) => void | Promise<void>>>;

/** What the routes of one listener share. */
export interface RouteContext {
  readonly options: HttpOptions;
  readonly sessions: Sessions;
  readonly parameters: ParameterHeaders;
  readonly clock: Clock;
  /** For new work: what is running may still be answered, cancelled and asked about. @throws RunError `SHUTTING_DOWN` */
  readonly refuseWhenDraining: () => void;
  /** Has `handler` called about once a second. */
  readonly onTick: (handler: (now: number) => void) => void;
  /** Has `handler` called when the listener starts to drain. */
  readonly onDrain: (handler: () => void) => void;
}
