const MAX_LINES = 5;
const MAX_CHARACTERS = 2_048;

/** The last lines that a server wrote to stderr, for the moment when it dies. */
export class StderrTail {
  #lines: string[] = [];

  add(line: string): void {
    if (line.trim() === '') return;
    this.#lines.push(line.length > MAX_CHARACTERS ? `${line.slice(0, MAX_CHARACTERS - 1)}…` : line);
    if (this.#lines.length > MAX_LINES) this.#lines = this.#lines.slice(-MAX_LINES);
  }

  /** At most five lines and 2,048 characters; an overlong line keeps its beginning. */
  text(): string {
    const kept: string[] = [];
    let size = 0;
    for (const line of this.#lines.toReversed()) {
      size += line.length + 1;
      if (size > MAX_CHARACTERS + 1) break;
      kept.unshift(line);
    }
    return kept.join('\n');
  }
}
