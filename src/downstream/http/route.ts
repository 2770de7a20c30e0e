import type { IncomingMessage } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { Clock } from '../../clock.ts';
import type { Principal } from '../../link/principal.ts';
import type { EndpointOptions } from '../listeners.ts';
import type { ParameterHeaders } from './admit/parameter-headers.ts';
import type { Sessions } from './sessions.ts';

/** What admission has found out about a request of MCP. */
export interface McpRequest {
  /** Undefined for the question which methods there are. */
  readonly principal: Principal | undefined;
  /** Undefined until the route is known to be that of a server. */
  server: string | undefined;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Null outside of MCP's endpoints. */
    mcpRun: McpRequest | null;
  }
}

/** One HTTP request on its way to a handler. */
export interface HttpCall {
  readonly request: IncomingMessage;
  readonly reply: FastifyReply;
  /** Undefined without a body. */
  readonly body: Buffer | undefined;
  readonly server: string;
  /** Of its client. */
  readonly principal: Principal;
}

/** Answers a request, now or later. @throws RunError for what it refuses, or rejects with it */
export type Handler = (call: HttpCall) => void | Promise<void>;

export interface Route {
  /** Below the name of the server. */
  readonly path: string;
  /** Method → handler; any other method is a 405. */
  readonly handlers: Readonly<Record<string, Handler>>;
}

/** What the routes of one listener share. */
export interface RouteContext {
  readonly options: EndpointOptions;
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
