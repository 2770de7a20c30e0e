import { describe, expect, test } from 'vitest';
import { expandText } from '../../src/manifest/resolve/expand.ts';
import type { Question } from '../../src/manifest/resolve/inputs.ts';
import { commandOf, load, only, problemsOf } from './workspace.ts';

const variables = {
  env: (name: string) =>
    new Map([
      ['A', 'a'],
      ['EMPTY', ''],
      ['Program(x86)', 'p'],
      ['REF', '${A}'],
    ]).get(name),
  input: (id: string) => (id === 'x' ? { value: 'typed' } : { fault: `no ${id}` }),
  known: new Map([['workspaceFolder', '/w']]),
};

test.each([
  ['plain $A $$ {A}', 'plain $A $$ {A}'],
  ['${A}${A}', 'aa'],
  ['<${env:A}>', '<a>'],
  ['${env:Program(x86)}', 'p'],
  ['${EMPTY}', ''],
  ['${EMPTY:-d}', 'd'],
  ['${NONE:-}', ''],
  ['${NONE:-a:-b}', 'a:-b'],
  ['${NONE:-${A}}!', 'a!'],
  ['${NONE:-${OTHER:-x}}', 'x'],
  ['${env:NONE:-d}', 'd'],
  ['${A:-${NONE}}', 'a'],
  ['$${A} ${A}', '${A} a'],
  ['${input:x}', 'typed'],
  ['${workspaceFolder}/a', '/w/a'],
  // A value is data: what it holds is not looked at again.
  ['${REF}', '${A}'],
])('%s expands to %s', (text, value) => {
  expect(expandText(text, variables)).toEqual({ value });
});

test.each([
  ['${NONE}', 'the variable NONE is not set; set it, or write ${NONE:-default}'],
  ['${env:NONE}', 'the variable NONE is not set'],
  ['${A', 'has no closing "}"'],
  ['${}', 'is not a reference'],
  ['${command:x.y}', 'is not a reference mcp-run knows'],
  ['${input:y}', 'no y'],
  ['${NONE:-${OTHER}}', 'the variable OTHER is not set'],
])('%s is refused', (text, fault) => {
  expect(expandText(text, variables)).toEqual({ fault: expect.stringContaining(fault) });
});

describe('inputs', () => {
  const key = { type: 'promptString', id: 'my-key', description: 'Key', password: true };
  const region = { type: 'pickString', id: 'region', options: ['eu', { value: 'us' }], default: 'eu' };
  const manifest = (inputs: object[], args: string[]): object => ({
    inputs,
    mcpServers: { a: { command: 'x', args } },
  });

  test('come from their variable', async () => {
    const env = { MCP_RUN_INPUT_MY_KEY: 's', MCP_RUN_INPUT_REGION: 'us' };
    const loaded = await load(manifest([key, region], ['${input:my-key}', '${input:region}']), { env });
    expect(commandOf(only(loaded)).args).toEqual(['s', 'us']);
  });

  test('come from their default when nobody can be asked', async () => {
    expect(commandOf(only(await load(manifest([region], ['${input:region}'])))).args).toEqual(['eu']);
  });

  test('without a value say which variable to set', async () => {
    const [line] = await problemsOf(load(manifest([key], ['${input:my-key}'])));
    expect(line).toContain(
      'the input "my-key" has no value; set MCP_RUN_INPUT_MY_KEY, or start mcp-run in a terminal',
    );
  });

  test('are asked for once each, only when used, and with what the question needs', async () => {
    const asked: Question[] = [];
    const ask = async (question: Question): Promise<string> => {
      asked.push(question);
      return question.id === 'region' ? '' : 'typed';
    };
    const unused = { ...key, id: 'unused' };
    const args = ['${input:my-key}', '${input:my-key}', '${input:region}'];
    const loaded = await load(manifest([key, region, unused], args), { ask });
    expect(commandOf(only(loaded)).args).toEqual(['typed', 'typed', 'eu']);
    expect(asked).toEqual([
      { id: 'my-key', text: 'Key', password: true, choices: undefined, default: undefined },
      { id: 'region', text: 'region', password: false, choices: ['eu', 'us'], default: 'eu' },
    ]);
  });

  test('are not asked for while the manifest has faults', async () => {
    const ask = (): Promise<string> => Promise.reject(new Error('asked'));
    const lines = await problemsOf(load(manifest([key], ['${input:my-key}', '${NOPE}']), { ask }));
    expect(lines).toHaveLength(1);
  });

  test('outside their options are refused', async () => {
    const env = { MCP_RUN_INPUT_REGION: 'mars' };
    const [line] = await problemsOf(load(manifest([region], ['${input:region}']), { env }));
    expect(line).toContain('MCP_RUN_INPUT_REGION is not one of the options: eu, us');
  });
});
