import { expect, it } from 'vitest';
import { RunError } from '../../src/errors.ts';
import { faultFrame } from '../../src/protocol/fault.ts';

const error = new RunError('UPSTREAM_EXITED', { server: 'files', status: 'SIGKILL' });
const body = {
  code: -32_603,
  message: 'Server "files" exited (SIGKILL)',
  data: { reason: 'upstream_exited' },
};

it.each([
  ['a number', 0],
  ['a text', ''],
  ['null, where an answer must have one', null],
])('carries the id: %s', (_title, id) => {
  expect(JSON.parse(String(faultFrame(error, id).bytes))).toEqual({ jsonrpc: '2.0', id, error: body });
});

it('has no id at all in an HTTP body whose request is not known', () => {
  expect(JSON.parse(String(faultFrame(error, undefined).bytes))).toEqual({ jsonrpc: '2.0', error: body });
});

it('is a response like any other', () => {
  expect(faultFrame(error, 7)).toMatchObject({ kind: 'response', id: 7 });
});
