import { describe, expect, test } from 'vitest';
import { META } from '../../src/protocol/constants.ts';
import {
  fromInputRequest,
  inputRequiredResult,
  isInputMethod,
  mayNeedInput,
  requestDigest,
  toInputRequest,
  urlElicitationsOf,
} from '../../src/era/input.ts';

const newId = (): string => 'minted';

test('three methods may be answered with a demand for input of three kinds', () => {
  expect(['tools/call', 'prompts/get', 'resources/read'].every(mayNeedInput)).toBe(true);
  expect(['tools/list', 'completion/complete', 'toString'].some(mayNeedInput)).toBe(false);
  expect(['roots/list', 'sampling/createMessage', 'elicitation/create'].every(isInputMethod)).toBe(true);
  expect(isInputMethod('ping')).toBe(false);
});

test('a server request becomes an input request without members of its own era', () => {
  const params = {
    mode: 'url',
    url: 'https://example.com',
    elicitationId: 'e1',
    task: { ttl: 1 },
    _meta: { progressToken: 1, [META.relatedTask]: { taskId: 't' }, kept: 1 },
  };
  expect(toInputRequest('elicitation/create', params)).toEqual({
    method: 'elicitation/create',
    params: { mode: 'url', url: 'https://example.com', _meta: { kept: 1 } },
  });
  expect(toInputRequest('roots/list', { _meta: { progressToken: 1 } })).toEqual({ method: 'roots/list' });
});

describe('an input request becomes a server request', () => {
  const form = { method: 'elicitation/create', params: { mode: 'form', message: 'm' } };
  const url = { method: 'elicitation/create', params: { mode: 'url', url: 'https://example.com' } };
  test.each([
    [form, '2025-11-25', form],
    [form, '2025-06-18', { method: 'elicitation/create', params: { message: 'm' } }],
    [form, '2025-03-26', undefined],
    [
      url,
      '2025-11-25',
      {
        method: 'elicitation/create',
        params: { elicitationId: 'minted', mode: 'url', url: 'https://example.com' },
      },
    ],
    [url, '2025-06-18', undefined],
    [{ method: 'roots/list' }, '2024-11-05', { method: 'roots/list', params: {} }],
    [{ method: 'ping' }, '2025-11-25', undefined],
    [{}, '2025-11-25', undefined],
  ])('%j, revision %s: %j', (entry, revision, expected) => {
    expect(fromInputRequest(entry, revision, newId)).toEqual(expected);
  });
});

test('a demand for input has the input requests and the request state', () => {
  expect(inputRequiredResult({ r1: { method: 'roots/list' } }, 'state', { name: 's' })).toEqual({
    resultType: 'input_required',
    inputRequests: { r1: { method: 'roots/list' } },
    requestState: 'state',
    _meta: { [META.serverInfo]: { name: 's' } },
  });
});

test('the URLs of an error become input requests', () => {
  const elicitations = [{ mode: 'url', url: 'https://a.example', elicitationId: '1', message: 'm' }];
  expect(urlElicitationsOf({ code: -32042, message: '', data: { elicitations } })).toEqual([
    { method: 'elicitation/create', params: { mode: 'url', url: 'https://a.example', message: 'm' } },
  ]);
  expect(urlElicitationsOf({ code: -32042, message: '', data: {} })).toBeUndefined();
  expect(urlElicitationsOf({ code: -32603, message: '', data: { elicitations } })).toBeUndefined();
});

test('a digest tells requests apart, and is the same for a retry and for another order of keys', () => {
  const digest = requestDigest('tools/call', { name: 'a', arguments: { x: [1, { y: null }], z: 'ü' } });
  expect(
    requestDigest('tools/call', {
      arguments: { z: 'ü', x: [1, { y: null }] },
      name: 'a',
      _meta: { a: 1 },
      inputResponses: {},
      requestState: 's',
    }),
  ).toBe(digest);
  expect(requestDigest('prompts/get', { name: 'a', arguments: { x: [1, { y: null }], z: 'ü' } })).not.toBe(
    digest,
  );
  expect(requestDigest('tools/call', { name: 'a', arguments: { x: [{ y: null }, 1], z: 'ü' } })).not.toBe(
    digest,
  );
});
