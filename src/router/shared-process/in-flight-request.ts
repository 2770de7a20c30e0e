import type { RequestId } from '../../protocol/request-id.ts';
import type { ClientPort } from './client-port.ts';

/**
 * Which messages without correlation may belong to a request: to a *call* all that the server sends meanwhile; to a *listen*
 * (2026-07-28, basic/patterns/subscriptions) none, since its notifications name it; a *watch* is a listen for resources, which
 * the server may also speak of at any time.
 */
export type RequestScope = 'call' | 'listen' | 'watch';

/** A client's request that the server has not answered. */
export class InFlightRequest<P extends ClientPort = ClientPort> {
  readonly port: P;
  /** As the client has it. */
  readonly id: RequestId;
  /** The id's JSON text, to give it back digit for digit. */
  readonly idText: string;
  /** Likewise; undefined without a token. */
  readonly tokenText: string | undefined;
  readonly scope: RequestScope;
  /** The client behind the port; the port itself where nothing says which one it is. */
  owner: unknown;
  /** Minimum severity of the log lines that the client has asked for; undefined = the request does not say. */
  level: number | undefined;
  /** Called once when the request has been answered or given up. */
  onSettled: ((isError: boolean) => void) | undefined;
  /** The id that the server knows the request by; set when it is in flight. */
  number = 0;

  constructor(
    port: P,
    id: RequestId,
    idText: string,
    tokenText: string | undefined,
    scope: RequestScope = 'call',
  ) {
    this.port = port;
    this.id = id;
    this.idText = idText;
    this.tokenText = tokenText;
    this.scope = scope;
    this.owner = port;
    this.level = undefined;
    this.onSettled = undefined;
  }
}
