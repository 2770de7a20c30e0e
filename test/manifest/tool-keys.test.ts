import { describe, expect, it } from 'vitest';
import { load, only, problemsOf } from './workspace.ts';

const entry = (keys: object): object => ({ mcpServers: { a: { command: 'x', ...keys } } });

describe('the tools of an entry', () => {
  it.for<[object, object | undefined]>([
    [{}, undefined],
    [{ tools: ['*'] }, { allow: [['*']], deny: [] }],
    [{ tools: [] }, { allow: [[]], deny: [] }],
    [{ tools: 'read_*' }, { allow: [['read_*']], deny: [] }],
    [{ tools: { allow: ['a', 'b'], deny: 'c' } }, { allow: [['a', 'b']], deny: ['c'] }],
    [{ tools: { a: false, b: true, c: { enabled: false }, d: {} } }, { allow: [], deny: ['a', 'c'] }],
    [{ tools: { a: true } }, undefined],
    [{ tools: { '*': false, a: true, b: false } }, { allow: [['a']], deny: ['b'] }],
    [{ tools: { '*': false } }, { allow: [], deny: ['*'] }],
    [{ tools: { include: ['a'], exclude: ['b'] } }, { allow: [['a']], deny: ['b'] }],
    [{ tools: { enabled: ['a'], disabledTools: ['b'], deny: 'c' } }, { allow: [['a']], deny: ['b', 'c'] }],
    [
      { tool_filter: { allowed_tool_names: ['a'], blocked_tool_names: ['b'] } },
      { allow: [['a']], deny: ['b'] },
    ],
    [{ tools: { enabled: false, x: true } }, { allow: [], deny: ['enabled'] }],
    [
      { allowTools: ['a'], denyTools: ['b'] },
      { allow: [['a']], deny: ['b'] },
    ],
    [
      { includedTools: ['a'], excludedTools: ['b'], hidden_tools: ['c'], disallowedTools: 'd' },
      { allow: [['a']], deny: ['b', 'c', 'd'] },
    ],
    [
      { toolsAllowed: ['a'], tools_blacklist: ['b'] },
      { allow: [['a']], deny: ['b'] },
    ],
    [{ tools: {} }, undefined],
    [{ tools: { deny: ['c'], allow: null } }, { allow: [], deny: ['c'] }],
    [{ tools: null, disabledTools: null }, undefined],
    [{ ignoreTools: 'a' }, { allow: [], deny: ['a'] }],
    [
      { includeTools: ['a', 'fetch(https://example.com/*)'], excludeTools: ['b'] },
      { allow: [['a', 'fetch']], deny: ['b'] },
    ],
    [
      { enabled_tools: ['a'], disabled_tools: ['b'] },
      { allow: [['a']], deny: ['b'] },
    ],
    [
      { 'allowed-tools': ['a'], tools: ['a', 'b'], blockedTools: ['c'] },
      { allow: [['a', 'b'], ['a']], deny: ['c'] },
    ],
    [{ disabledTools: [] }, undefined],
    [{ available_tools: [] }, undefined],
    [{ available_tools: ['a'] }, { allow: [['a']], deny: [] }],
  ])('%j', async ([keys, tools]) => {
    const manifest = await load(entry(keys));
    expect(only(manifest).tools).toEqual(tools);
    expect(manifest.warnings).toEqual([]);
  });

  it('are read for a remote server as well', async () => {
    const manifest = await load({
      mcpServers: { a: { url: 'https://example.com/mcp', ignoreTools: ['x'], tools: ['y'] } },
    });
    expect(only(manifest).tools).toEqual({ allow: [['y']], deny: ['x'] });
  });

  it.for([
    { tools: 7 },
    { tools: [7] },
    { tools: { allow: [{}] } },
    { tools: { a: 'no' } },
    { disabledTools: { a: true } },
    { disabled_tools: [1] },
  ])('cannot be %j', async (keys) => {
    const [problem] = await problemsOf(load(entry(keys)));
    expect(problem).toContain(`mcpServers.a.${Object.keys(keys)[0]}`);
    expect(problem).toContain('must be');
  });
});
