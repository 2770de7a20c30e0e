const MAX_LINES = 5;
const MAX_CHARACTERS = 2_048;

/** The end of what a server wrote to stderr, for the moment when it dies. */
export interface StderrTail {
  add(line: string): void;
  /** At most five lines and 2,048 characters; an overlong line keeps its beginning. */
  text(): string;
}

export function createStderrTail(): StderrTail {
  let lines: string[] = [];

  return {
    add(line) {
      if (line.trim() === '') return;
      lines.push(line.length > MAX_CHARACTERS ? `${line.slice(0, MAX_CHARACTERS - 1)}…` : line);
      if (lines.length > MAX_LINES) lines = lines.slice(-MAX_LINES);
    },
    text() {
      const kept: string[] = [];
      let size = 0;
      for (const line of lines.toReversed()) {
        size += line.length + 1;
        if (size > MAX_CHARACTERS + 1) break;
        kept.unshift(line);
      }
      return kept.join('\n');
    },
  };
}
