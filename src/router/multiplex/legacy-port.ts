import type { Frame } from '../../protocol/frame.ts';
import { ClientPort, type ClientPortOptions } from '../shared-process/client-port.ts';

/** The server's end of a `LegacyPort`. */
export interface LegacyPortHost {
  fromClient(port: LegacyPort, frame: Frame): void | Promise<void>;
  onLeave(port: LegacyPort): void;
}

/** A client with a handshake, and what it has set up with the server. */
export class LegacyPort extends ClientPort {
  readonly era = 'legacy';
  /** Whether its end says anything about the client. */
  readonly isSession: boolean;
  /** Minimum severity of the log lines that the client wants; undefined = all. */
  level: number | undefined = undefined;
  isInitialized = false;
  /** The client has sent the server a request. */
  hasCalled = false;
  readonly #host: LegacyPortHost;

  constructor(host: LegacyPortHost, options: ClientPortOptions, isSession: boolean) {
    super(options);
    this.#host = host;
    this.isSession = isSession;
  }

  protected override fromClient(frame: Frame): void | Promise<void> {
    return this.#host.fromClient(this, frame);
  }

  protected override onLeave(): void {
    this.#host.onLeave(this);
  }
}
