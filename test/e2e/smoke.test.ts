/** One conversation a transport, short enough to run on every Node: `MCP_RUN_TEST_NODE=path` runs mcp-run with another. */
import { expect, test } from 'vitest';
import { callTool } from '../support/clients.ts';
import { at, textOf } from '../support/json.ts';
import { fixtureServer } from '../support/paths.ts';
import { TRANSPORT_NAMES, routeTo } from '../support/routes.ts';
import { connectSdkV1 } from '../support/sdk-v1.ts';

test.each(TRANSPORT_NAMES)(
  'serves a client over %s: lists, calls, reports progress and asks',
  async (transport) => {
    const endpoint = await routeTo(transport, fixtureServer('behaviours'));
    const client = await connectSdkV1(endpoint, {
      capabilities: { elicitation: {} },
      answer: () => ({ action: 'accept', content: { name: 'Ada' } }),
    });

    expect(at(await client.request('tools/list'), 'tools', 0, 'name')).toBe('echo');
    expect(textOf(await callTool(client, 'burst', { count: 100 }, { onProgress: () => {} }))).toBe(
      'sent 100',
    );
    expect(client.incoming.filter(({ method }) => method === 'notifications/progress')).toHaveLength(100);
    const question = {
      method: 'elicitation/create',
      params: { message: 'Name?', requestedSchema: { type: 'object', properties: {} } },
    };
    const asked = await callTool(client, 'ask', question);
    expect(at(asked, 'structuredContent', 'result', 'content')).toEqual({ name: 'Ada' });
  },
);
