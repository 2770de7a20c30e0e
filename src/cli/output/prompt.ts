import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { RunError } from '../../errors.ts';
import type { Question } from '../../manifest/resolve/inputs.ts';
import type { CliContext } from '../context.ts';
import { printable } from './palette.ts';

/** Asks on the terminal; what is typed for a password is not shown. */
export async function askOnTerminal({ stdin, stderr }: CliContext, question: Question): Promise<string> {
  const aborted = new AbortController();
  // What is typed is written back by us, so for a password it is enough to write nothing.
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (!question.password) stderr.write(chunk);
      done();
    },
  });
  const terminal = createInterface({ input: stdin, output, terminal: true });
  terminal.once('SIGINT', () => aborted.abort());
  terminal.once('close', () => aborted.abort());
  try {
    if (question.password) stderr.write(textOf(question));
    return checked(await terminal.question(textOf(question), { signal: aborted.signal }), question);
  } catch (error) {
    if (!aborted.signal.aborted) throw error;
    throw new RunError(
      'USAGE',
      { detail: `No value given for the input "${question.id}"` },
      { cause: error },
    );
  } finally {
    terminal.close();
    if (question.password) stderr.write('\n');
  }
}

function textOf({ text, choices, password, default: fallback }: Question): string {
  const options = choices === undefined ? '' : ` [${choices.join(', ')}]`;
  const preset = fallback === undefined ? '' : ` (${password ? 'empty for the default' : fallback})`;
  return printable(`${text}${options}${preset}: `);
}

function checked(answer: string, { id, choices, default: fallback }: Question): string {
  const isPreset = answer === '' && fallback !== undefined;
  if (isPreset || choices === undefined || choices.includes(answer)) return answer;
  throw new RunError('USAGE', { detail: `"${answer}" is not one of the options of the input "${id}"` });
}
