import { toRunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';
import { LOG_LEVELS } from '../../protocol/constants.ts';
import type { ManagedProcess } from '../shared-process/managed-process.ts';
import type { PortSet } from '../shared-process/port-set.ts';
import type { Subscriptions } from '../shared-process/subscriptions.ts';
import type { LegacyPort } from './legacy-port.ts';

export interface ProcessSetupOptions {
  readonly process: Pick<ManagedProcess, 'ask'>;
  readonly ports: PortSet<LegacyPort>;
  readonly subscriptions: Subscriptions<LegacyPort>;
  readonly log: Log;
}

/** The subscriptions and the log level of a process that clients share. The next process is set up in the same way. */
export class ProcessSetup {
  readonly #options: ProcessSetupOptions;
  /** The log level that the process was told. */
  #processLevel: number | undefined;

  constructor(options: ProcessSetupOptions) {
    this.#options = options;
  }

  setLevel(port: LegacyPort, level: number): void {
    port.level = level;
    this.#updateLevel();
  }

  /** Takes back what only this client has set up, which is in the ports no longer. */
  remove(port: LegacyPort): void {
    for (const uri of this.#options.subscriptions.removeAll(port))
      this.#send('resources/unsubscribe', { uri });
    if (port.level !== undefined) this.#updateLevel();
  }

  /** Another process has been initialized. */
  renew(): void {
    const { subscriptions } = this.#options;
    for (const uri of subscriptions.renew()) {
      this.#send('resources/subscribe', { uri }, () => subscriptions.confirm(uri));
    }
    this.#processLevel = undefined;
    this.#updateLevel();
  }

  /** The process has the level of the client that wants most; the log lines of the others are filtered for each. */
  #updateLevel(): void {
    let wanted: number | undefined;
    for (const { level } of this.#options.ports.values()) {
      if (level !== undefined && (wanted === undefined || level < wanted)) wanted = level;
    }
    if (wanted === undefined || wanted === this.#processLevel) return;
    this.#processLevel = wanted;
    this.#send('logging/setLevel', { level: LOG_LEVELS[wanted] });
  }

  /** A request of our own that no client waits for. */
  #send(method: string, params: Record<string, unknown>, onAccepted?: () => void): void {
    const { process, log } = this.#options;
    process.ask(method, params).then(
      ({ error }) => {
        if (error === undefined) onAccepted?.();
        else log.debug({ event: 'server.request-refused', method }, error.message);
      },
      (error: unknown) => log.debug({ event: 'server.request-failed', method }, toRunError(error).message),
    );
  }
}
