import type { Frame } from '../../protocol/frame.ts';
import { ClientPort, type ClientPortOptions } from '../shared-process/client-port.ts';

/** The server's end of a `ModernPort`. */
export interface ModernPortHost {
  fromClient(port: ModernPort, frame: Frame): void | Promise<void>;
  onLeave(port: ModernPort): void;
}

/** A client of revision 2026-07-28: for one POST, or for a whole stdio conversation. */
export class ModernPort extends ClientPort {
  readonly era = 'modern';
  readonly #host: ModernPortHost;

  constructor(host: ModernPortHost, options: ClientPortOptions) {
    super(options);
    this.#host = host;
  }

  protected override fromClient(frame: Frame): void | Promise<void> {
    return this.#host.fromClient(this, frame);
  }

  protected override onLeave(): void {
    this.#host.onLeave(this);
  }
}
