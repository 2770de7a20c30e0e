import { createListenerLog } from '../observe/listener.ts';
import type { Log } from '../observe/log.ts';

const STDERR_LINES = 10;

/** The output of a server that is no message, as the log of its link reports it. */
export class ServerOutput {
  readonly #onLine: (line: string) => void;
  #stderr: string[] = [];
  #skippedLines = 0;

  /** @param onLine called with each line of stderr, and with the reason why a start may take long */
  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  /** The last lines of stderr. */
  get stderr(): readonly string[] {
    return this.#stderr;
  }

  /** Lines on stdout that were no JSON-RPC. */
  get skippedLines(): number {
    return this.#skippedLines;
  }

  createLog(): Log {
    return createListenerLog(({ event, lines }, text) => {
      // Where such lines are summed up, the entry says how many there were so far.
      if (event === 'server.stdout-skipped')
        this.#skippedLines = typeof lines === 'number' ? lines : this.#skippedLines + 1;
      if (event === 'server.slow-start') this.#onLine(text);
      if (event === 'server.stderr' && text.trim() !== '') this.#addLine(text);
    });
  }

  /** Forgets the output: another process starts. @returns what brings it back */
  reset(): () => void {
    const before = { stderr: this.#stderr, skippedLines: this.#skippedLines };
    this.#stderr = [];
    this.#skippedLines = 0;
    return () => {
      this.#stderr = before.stderr;
      this.#skippedLines = before.skippedLines;
    };
  }

  #addLine(line: string): void {
    this.#stderr.push(line);
    if (this.#stderr.length > STDERR_LINES) this.#stderr.shift();
    this.#onLine(line);
  }
}
