/** Most lines, and bytes, that are taken for parts of one message. */
const MAX_LINES = 64;
const MAX_BYTES = 64 * 1024;
const OPEN = '{'.charCodeAt(0);
const SPACE = Buffer.from(' ');

/** Collects the lines of a message that has line breaks where it must not: the first begins like an object. */
export class BrokenMessage {
  #lines: Buffer[] = [];
  #bytes = 0;

  /** @returns what has been collected, if the line belongs to it */
  add(line: Buffer): Buffer | undefined {
    if (line[0] === OPEN) this.clear();
    else if (this.#lines.length === 0) return undefined;
    this.#bytes += line.length;
    if (this.#lines.length === MAX_LINES || this.#bytes > MAX_BYTES) {
      this.clear();
      return undefined;
    }
    // A copy: a slice would keep the whole chunk in memory.
    this.#lines.push(Buffer.from(line), SPACE);
    return Buffer.concat(this.#lines);
  }

  clear(): void {
    if (this.#lines.length === 0) return;
    this.#lines = [];
    this.#bytes = 0;
  }
}
