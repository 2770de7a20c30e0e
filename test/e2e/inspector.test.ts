/** The MCP Inspector's CLI as a client; it needs Node 24. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { toolsOfNode24, type Node24 } from '../../scripts/node24.js';
import type { Endpoint } from '../support/clients.ts';
import { at, textOf } from '../support/json.ts';
import { fixtureServer } from '../support/paths.ts';
import { TRANSPORT_NAMES, routeTo } from '../support/routes.ts';

const INSTALL_AND_RUN_MS = 240_000;
const execute = promisify(execFile);

test.each(TRANSPORT_NAMES)(
  'lists tools and calls one over %s',
  { timeout: INSTALL_AND_RUN_MS },
  async (transport) => {
    const node24 = await toolsOfNode24();
    const endpoint = await routeTo(transport, fixtureServer('behaviours'));

    const list = await inspect(node24, endpoint, '--method', 'tools/list');
    expect(at(list, 'tools', 0, 'name')).toBe('echo');
    const result = await inspect(
      node24,
      endpoint,
      '--method',
      'tools/call',
      '--tool-name',
      'echo',
      '--tool-arg',
      'say=hello',
    );
    expect(textOf(result)).toBe('{"say":"hello"}');
  },
);

async function inspect({ node, inspector }: Node24, endpoint: Endpoint, ...args: string[]): Promise<unknown> {
  // What follows the command belongs to the command.
  const target = endpoint.kind === 'stdio' ? ['--', endpoint.command, ...endpoint.args] : [];
  const url = endpoint.kind === 'stdio' ? [] : [endpoint.url, '--transport', endpoint.kind];
  const { stdout } = await execute(node, [inspector, '--cli', ...url, ...args, ...target]);
  return JSON.parse(stdout);
}
