import { RunError, toRunError } from '../../errors.ts';
import type { Link } from '../../link/link.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';

export interface ProcessLifeOptions {
  readonly server: string;
  /** Opens the process, or the next one after it has ended. Rejects with a RunError. */
  readonly openUpstream: () => Promise<Link>;
  /** A message of the server. @param relatedRequestId the request that it belongs to, where the link knows */
  readonly onFrame: (frame: Frame, relatedRequestId?: RequestId) => void;
  /** A process is ready; tell it what clients had asked the one before. */
  readonly onReady: () => void;
  /** The process has died or was stopped. @param wasReady false for one that was still starting */
  readonly onLost: (reason: RunError, wasReady: boolean) => void;
  /** A process has ended, or has not started. */
  readonly onStopped?: () => void;
}

/** A process that takes requests. */
export interface RunningProcess {
  readonly link: Link;
}

/**
 * The life of a process that several clients share: started when it is needed, one at a time, and anew when it has died.
 *
 * It is stopped, starting (opened, but not ready), or ready; processes that have ended their service may run beside that.
 */
export abstract class ProcessLife<R extends RunningProcess> {
  protected readonly server: string;
  readonly #options: ProcessLifeOptions;
  /** From the moment it is open, before it is ready. */
  #link: Link | undefined;
  #current: R | undefined;
  #starting: Promise<R> | undefined;
  /** A process without service may still run for a while: the next one must not start beside it. */
  #ending: Promise<void> | undefined;
  /** Processes that end while another one may start. */
  #retiring = 0;
  #isClosed = false;

  constructor(options: ProcessLifeOptions) {
    this.server = options.server;
    this.#options = options;
  }

  /** Makes an open process ready for requests. Rejects with a RunError: then the process is ended. */
  protected abstract prepare(link: Link): Promise<R>;

  /** Undefined while there is none that is ready. */
  get current(): R | undefined {
    return this.#current;
  }

  /** Whether there is no process, not even one that is starting or ending. */
  get isStopped(): boolean {
    return (
      this.#link === undefined &&
      this.#starting === undefined &&
      this.#ending === undefined &&
      this.#retiring === 0
    );
  }

  /** The process, started if need be. Rejects with a RunError. */
  running(): Promise<R> {
    if (this.#current !== undefined) return Promise.resolve(this.#current);
    this.#starting ??= this.#startOnce();
    return this.#starting;
  }

  /** Sends a frame, if there is a process; one that is only starting, too. */
  send(frame: Frame): void | Promise<void> {
    return this.#link?.send(frame);
  }

  /** The link of the process, which may still be starting. @throws RunError `UPSTREAM_CLOSED` without one */
  protected get openLink(): Link {
    if (this.#link === undefined) throw new RunError('UPSTREAM_CLOSED', { server: this.server });
    return this.#link;
  }

  /** Takes a process that runs already, and needs no preparation. */
  protected adoptReady(running: R): void {
    this.#attach(running.link);
    this.#current = running;
    this.#options.onReady();
  }

  /** Ends the process; the next one starts when it is needed and this one has ended. */
  stop(): void {
    if (this.#link !== undefined)
      this.#lose(this.#link, new RunError('UPSTREAM_CLOSED', { server: this.server }));
  }

  /** Ends a ready process without requests; the next one need not wait for its end. */
  retire(reason: RunError): void {
    const link = this.#link;
    if (link === undefined || this.#current === undefined) return;
    // Not later: a request that comes meanwhile has another process started.
    this.#link = undefined;
    this.#current = undefined;
    this.#retiring += 1;
    void link.close(reason).finally(() => {
      this.#retiring -= 1;
      this.#options.onStopped?.();
    });
  }

  /** Ends the process for good. */
  async close(reason?: RunError): Promise<void> {
    this.#isClosed = true;
    await (this.#link?.close(reason) ?? this.#ending);
    // A process that was being started is closed by its start, but not at once.
    await this.#starting?.catch(() => {});
  }

  /** A message of the process. */
  protected receive(frame: Frame, relatedRequestId?: RequestId): void {
    this.#options.onFrame(frame, relatedRequestId);
  }

  /** The process answers nothing any more. */
  protected failOwnRequests(_reason: RunError): void {}

  async #startOnce(): Promise<R> {
    try {
      return await this.#start();
    } catch (error) {
      // Not earlier: the next one must not start while this one is still being stopped.
      this.#starting = undefined;
      this.#options.onStopped?.();
      throw error;
    }
  }

  async #start(): Promise<R> {
    if (this.#ending !== undefined) await this.#ending;
    this.#requireNotClosed();
    const link = await this.#options.openUpstream();
    this.#attach(link);
    try {
      this.#requireNotClosed();
      const running = await this.prepare(link);
      // It may have been lost when it had just become ready.
      if (this.#link !== link) throw new RunError('UPSTREAM_CLOSED', { server: this.server });
      this.#current = running;
      this.#starting = undefined;
      this.#options.onReady();
      return running;
    } catch (error) {
      await link.close(toRunError(error));
      throw error;
    }
  }

  #requireNotClosed(): void {
    if (this.#isClosed) throw new RunError('SHUTTING_DOWN');
  }

  #attach(link: Link): void {
    this.#link = link;
    link.onclose((error) => {
      if (this.#link !== link) return;
      this.#lose(link, toRunError(error ?? new RunError('UPSTREAM_CLOSED', { server: this.server })));
    });
    link.onframe((frame, relatedRequestId) => this.receive(frame, relatedRequestId));
  }

  #lose(link: Link, reason: RunError): void {
    const wasReady = this.#current !== undefined;
    this.#link = undefined;
    this.#current = undefined;
    const ending = link.close(reason).finally(() => {
      if (this.#ending === ending) this.#ending = undefined;
      this.#options.onStopped?.();
    });
    this.#ending = ending;
    this.failOwnRequests(reason);
    this.#options.onLost(reason, wasReady);
  }
}
