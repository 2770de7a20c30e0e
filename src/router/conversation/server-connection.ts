import { RunError, toRunError } from '../../errors.ts';
import type { Link } from '../../link/link.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';

type Wait = void | Promise<void>;

/** `new`: no `initialize` yet, or the last one has failed. `closed`: the conversation takes no more messages. */
export type Phase = 'new' | 'initializing' | 'ready' | 'closed';

export interface ServerConnectionOptions {
  /** Name of the server, for errors. */
  readonly server: string;
  /** Opens the server's link at once and lets anything pass; otherwise `initialize` opens it, and nothing goes before. */
  readonly eager: boolean;
  /** Rejects with a RunError. `abandoned` aborts when the conversation ends before the link is open. */
  readonly openUpstream: (abandoned: AbortSignal) => Promise<Link>;
  /** @param relatedRequestId the client's request that the frame belongs to, where the link knows */
  readonly onFrame: (frame: Frame, relatedRequestId?: RequestId) => Wait;
  /** The link could not be opened, or has been closed. */
  readonly onEnd: (reason: RunError) => void;
}

/** The server of a conversation: its link, which is opened when a message needs it, and the phase of the handshake. */
export class ServerConnection {
  /** Name of the server, for errors. */
  readonly name: string;
  readonly eager: boolean;
  phase: Phase = 'new';
  readonly #options: ServerConnectionOptions;
  readonly #abandoned = new AbortController();
  #link: Link | undefined;
  #opening: Promise<void> | undefined;
  #end: RunError | undefined;

  constructor(options: ServerConnectionOptions) {
    this.name = options.server;
    this.eager = options.eager;
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#link !== undefined;
  }

  /** What the link was closed with, once it is. */
  get end(): RunError | undefined {
    return this.#end;
  }

  /** Opens the link, unless it has been opened before. Never rejects. */
  open(): Promise<void> {
    this.#opening ??= this.#options.openUpstream(this.#abandoned.signal).then(
      (link) => this.#opened(link),
      (error: unknown) => this.#options.onEnd(toRunError(error)),
    );
    return this.#opening;
  }

  send(frame: Frame): Wait {
    if (this.#link !== undefined) return this.#link.send(frame);
    if (this.phase === 'new' && !this.eager) return undefined;
    return this.open().then(() => this.#link?.send(frame));
  }

  abandonOpening(): void {
    // Only an opening that goes on has to hear of it: an abort costs more than the rest of a short conversation.
    if (this.#link === undefined) this.#abandoned.abort();
  }

  async close(reason: RunError): Promise<void> {
    await this.#opening;
    await this.#link?.close(reason);
  }

  #opened(link: Link): void {
    const { onFrame, onEnd } = this.#options;
    this.#link = link;
    link.onclose((error) => {
      this.#end =
        error === undefined ? new RunError('UPSTREAM_CLOSED', { server: this.name }) : toRunError(error);
      onEnd(this.#end);
    });
    link.onframe(onFrame);
  }
}
