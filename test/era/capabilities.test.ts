import { describe, expect, test } from 'vitest';
import {
  missingCapability,
  toLegacyClientCapabilities,
  toLegacyServerCapabilities,
  toModernClientCapabilities,
  toModernServerCapabilities,
} from '../../src/era/capabilities.ts';

const NOTHING = new Set<string>();

describe.each([
  ['legacy', (caps: Record<string, unknown>) => toLegacyClientCapabilities(caps, NOTHING)],
  ['modern', toModernClientCapabilities],
] as const)("a client's capabilities for a %s server", (_era, translate) => {
  test.each([
    [{ roots: { listChanged: true, x: 1 } }, { roots: { x: 1 } }],
    [{ sampling: { tools: {}, context: {} } }, { sampling: { tools: {}, context: {} } }],
    [{ elicitation: {} }, { elicitation: {} }],
    [{ elicitation: { form: {}, url: {} } }, { elicitation: { form: {}, url: {} } }],
    [{ tasks: { list: {} } }, {}],
    [{ extensions: { 'io.modelcontextprotocol/tasks': {} } }, {}],
    [
      { extensions: { 'io.modelcontextprotocol/tasks': {}, 'example.com/x': { a: 1 } } },
      { extensions: { 'example.com/x': { a: 1 } } },
    ],
    [
      { experimental: { a: {} }, 'example.com/y': [1] },
      { experimental: { a: {} }, 'example.com/y': [1] },
    ],
    [{ extensions: {} }, { extensions: {} }],
  ])('%j become %j', (before, after) => expect(translate(before)).toEqual(after));
});

test('withheld capabilities are removed', () => {
  const declared = { roots: {}, sampling: {}, elicitation: {} };
  expect(toLegacyClientCapabilities(declared, new Set(['roots', 'sampling']))).toEqual({ elicitation: {} });
});

describe.each([toModernServerCapabilities, toLegacyServerCapabilities])(
  "a server's capabilities",
  (translate) => {
    test('pass, except for tasks', () => {
      const offered = {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        logging: {},
        completions: {},
        tasks: { requests: {} },
        extensions: { 'io.modelcontextprotocol/tasks': {}, 'io.modelcontextprotocol/ui': { mimeTypes: [] } },
        experimental: { x: {} },
      };
      const { tasks: _tasks, ...rest } = offered;
      expect(translate(offered)).toEqual({
        ...rest,
        extensions: { 'io.modelcontextprotocol/ui': { mimeTypes: [] } },
      });
    });
  },
);

describe('missingCapability', () => {
  test.each([
    [{}, 'roots/list', {}, { roots: {} }],
    [{ roots: {} }, 'roots/list', {}, undefined],
    [{}, 'sampling/createMessage', {}, { sampling: {} }],
    [{ sampling: {} }, 'sampling/createMessage', {}, undefined],
    [{ sampling: {} }, 'sampling/createMessage', { tools: [] }, { sampling: { tools: {} } }],
    [{ sampling: { tools: {} } }, 'sampling/createMessage', { toolChoice: {} }, undefined],
    [{ elicitation: {} }, 'elicitation/create', {}, undefined],
    [{ elicitation: {} }, 'elicitation/create', { mode: 'form' }, undefined],
    [{ elicitation: {} }, 'elicitation/create', { mode: 'url' }, { elicitation: { url: {} } }],
    [{ elicitation: { url: {} } }, 'elicitation/create', { mode: 'url' }, undefined],
    [{ elicitation: { url: {} } }, 'elicitation/create', { mode: 'form' }, { elicitation: { form: {} } }],
    [{ elicitation: true }, 'elicitation/create', {}, { elicitation: { form: {} } }],
    [{}, 'example.com/ask', {}, undefined],
  ])('with %j, %s %j misses %j', (capabilities, method, params, missing) => {
    expect(missingCapability(capabilities, method, params)).toEqual(missing);
  });
});
