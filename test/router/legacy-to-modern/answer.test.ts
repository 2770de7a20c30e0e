/** What is spliced means what the rules say, however large it is. */
import {
  array,
  assert,
  constantFrom,
  dictionary,
  jsonValue,
  option,
  property,
  record,
  string,
} from 'fast-check';
import { expect, test } from 'vitest';
import { toLegacyResult } from '../../../src/era/results.ts';
import { META } from '../../../src/protocol/constants.ts';
import { frameOf } from '../../../src/protocol/frame.ts';
import { legacyAnswer } from '../../../src/router/legacy-to-modern/answer.ts';
import { fuzz } from '../../support/fuzz.ts';

const Method = constantFrom('tools/list', 'tools/call', 'resources/read', 'prompts/get', 'vendor/x');
/** Beyond the size up to which all is parsed. */
const padded = { padding: 'x'.repeat(2_000) };
const Value = jsonValue().chain((value) => constantFrom(value, [value, padded], { value, ...padded }));
const Tool = record({ name: string(), outputSchema: option(Value), execution: option(Value) });
const Result = record(
  {
    resultType: constantFrom('complete'),
    ttlMs: Value,
    cacheScope: Value,
    content: Value,
    contents: Value,
    structuredContent: Value,
    tools: array(Tool),
    _meta: dictionary(constantFrom(META.serverInfo, META.subscriptionId, 'traceparent', '__proto__'), Value),
    rest: Value,
  },
  { requiredKeys: [] },
);

test('a result loses and keeps what the rules say', () => {
  assert(
    property(Method, Result, (method, result) => {
      // As it is read from a line.
      const read = Object(JSON.parse(JSON.stringify(result)));
      const answer = legacyAnswer('files', method, frameOf({ id: 1, result: read }));
      if (answer.kind !== 'answer') throw new Error('no answer');
      expect(answer.outcome.key).toBe('result');
      expect(JSON.parse(answer.outcome.value.toString())).toStrictEqual(toLegacyResult(method, read));
    }),
    fuzz(500),
  );
});
