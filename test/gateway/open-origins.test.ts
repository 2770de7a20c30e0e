import { expect, it } from 'vitest';
import { warningsAbout } from '../../src/gateway/open-origins.ts';
import { startMcpRun } from '../support/mcp-run.ts';
import { fixtureServer } from '../support/paths.ts';

const NONE = { cors: [], allowOrigin: [], allowHost: [] };

it('warns of nothing that names hosts and origins', () => {
  const named = { cors: ['https://a.example'], allowOrigin: ['https://b.example'], allowHost: ['c.example'] };
  expect(warningsAbout(named)).toEqual([]);
});

it.each([
  [{ cors: ['https://a.example', '*'] }, /^--cors \* lets the pages of every site/],
  [{ allowOrigin: ['*'] }, /^--allow-origin \* lets the pages of every site/],
  [{ cors: ['null'] }, /^--cors null lets in/],
  [{ allowOrigin: ['NULL'] }, /^--allow-origin null lets in/],
  [{ cors: ['https://*.example'] }, /^--cors https:\/\/\*\.example matches nothing/],
  [{ allowOrigin: ['*.example'] }, /^--allow-origin \*\.example matches nothing/],
  [{ allowHost: ['*'] }, /^--allow-host \* matches nothing/],
])('warns of %j', (settings, text) => {
  expect(warningsAbout({ ...NONE, ...settings })).toEqual([expect.stringMatching(text)]);
});

it.each([
  ['--cors', '*'],
  ['--allow-origin', '*'],
  ['--allow-host', '*'],
])('mcp-run warns of %s %s at the start, also when it is set by a variable', async (flag, value) => {
  const variable = `MCP_RUN_${flag.slice(2).toUpperCase().replace('-', '_')}`;
  const command = ['--', ...fixtureServer('behaviours')];
  const runs = await Promise.all([
    startMcpRun(['serve', '--http', '--port', '0', flag, value, ...command]),
    startMcpRun(['serve', '--http', '--port', '0', ...command], { env: { [variable]: value } }),
  ]);
  for (const run of runs) {
    expect(await run.waitForLog(({ event }) => event === 'gateway.open-origin')).toMatchObject({
      level: 'warn',
      msg: expect.stringContaining(`${flag} ${value}`),
    });
  }
});
