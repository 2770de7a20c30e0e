import { describe, expect, it } from 'vitest';
import { readChallenge } from '../../../src/upstream/oauth/challenge.ts';
import { includesScopes, joinScopes } from '../../../src/upstream/oauth/scopes.ts';

describe('a challenge', () => {
  it.each([
    [undefined, {}],
    ['', {}],
    ['Basic realm="x"', {}],
    ['Bearer', {}],
    ['bearer scope=read', { scope: 'read' }],
    ['Bearer realm="a, b", scope="read write"', { scope: 'read write' }],
    ['Bearer error_description="scope=\\"all\\"", scope="read"', { scope: 'read' }],
    [
      'Basic realm="x", Bearer error="invalid_token" , scope = "read"',
      { error: 'invalid_token', scope: 'read' },
    ],
    ['Negotiate abc==, Bearer scope="read", DPoP scope="write"', { scope: 'read' }],
    [
      'Bearer resource_metadata="https://mcp.example/m?a=b,c"',
      { resourceMetadata: 'https://mcp.example/m?a=b,c' },
    ],
    ['Bearer resource_metadata="nonsense", scope="read"', { scope: 'read' }],
    ['Bearer scope=""', {}],
  ])('%s says %o', (header, expected) => {
    const { resourceMetadata, scope, error } = readChallenge(header);
    const said = { resourceMetadata: resourceMetadata?.href, scope, error };
    expect(said).toEqual({ resourceMetadata: undefined, scope: undefined, error: undefined, ...expected });
  });

  it('of any length is read in no time', () => {
    expect(readChallenge(`Bearer ${'a'.repeat(100_000)}(`).scope).toBeUndefined();
  });
});

describe('scopes', () => {
  it('are joined, each once and in order', () => {
    expect(joinScopes('b a', undefined, ' a  c ')).toBe('b a c');
    expect(joinScopes(undefined, '')).toBeUndefined();
  });

  it('are compared as sets', () => {
    expect(includesScopes('a b', 'b a')).toBe(true);
    expect(includesScopes('a', 'a b')).toBe(false);
    expect(includesScopes(undefined, undefined)).toBe(true);
  });
});
