import { expect, test } from 'vitest';
import { askOnTerminal } from '../../../src/cli/output/prompt.ts';
import { failureOf } from '../../manifest/workspace.ts';
import { createTerminal } from '../terminal.ts';

const key = { id: 'key', text: 'API key', password: true, choices: undefined, default: undefined };
const region = { id: 'region', text: 'Region', password: false, choices: ['eu', 'us'], default: 'eu' };

test('a password is asked for and not shown', async () => {
  const { context, stdin, stderr } = createTerminal();
  const answer = askOnTerminal(context, key);
  stdin.write('hunter2\r');
  expect(await answer).toBe('hunter2');
  const shown = String(stderr.read());
  expect(shown).toContain('API key: ');
  expect(shown).not.toContain('hunter2');
});

test('a choice shows its options and its default, and takes nothing else', async () => {
  const { context, stdin, stderr } = createTerminal();
  const answer = askOnTerminal(context, region);
  stdin.write('us\r');
  expect(await answer).toBe('us');
  expect(String(stderr.read())).toContain('Region [eu, us] (eu): ');

  const other = askOnTerminal(context, region);
  stdin.write('mars\r');
  expect((await failureOf(other)).message).toBe('"mars" is not one of the options of the input "region"');
});

test('Ctrl-C while a value is asked for ends with an error', async () => {
  const { context, stdin } = createTerminal();
  const answer = askOnTerminal(context, key);
  stdin.write('\u0003');
  expect(await failureOf(answer)).toMatchObject({
    code: 'USAGE',
    message: 'No value given for the input "key"',
  });
});
