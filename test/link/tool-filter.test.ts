import type { ToolPatterns } from '../../src/config/types.ts';
import { describe, expect, it } from 'vitest';
import { createToolFilter, toolFilter } from '../../src/link/tool-filter.ts';
import { frameFromBytes, parseFrame, peekFrame, type Frame } from '../../src/protocol/frame.ts';
import { createMemoryLink } from '../support/memory-link.ts';

const PIECES = {
  read: '{"name":"fs_read" , "inputSchema":{"type":"object"},"big":12345678901234567890}',
  write: '{"inputSchema":{"type":"object"}, "name":"fs_write"}',
  wipe: '{"name":"wipe.all","inputSchema":{"type":"object"},"description":"], {\\"name\\": \\"x\\"}"}',
  say: '{"name":"say\\u0021","inputSchema":{"type":"object"}}',
  unnamed: '{"Name":"fs_read"}',
};
const ALL = Object.values(PIECES);
const { read, write, wipe, say, unnamed } = PIECES;
const listOf = (...tools: string[]): string =>
  `{"jsonrpc":"2.0","id":7,"result":{"nextCursor": "n", "tools":[${tools.join(',')}],"x":1.0}}`;

function open({ allow = [], deny = [] }: Partial<ToolPatterns>) {
  const server = createMemoryLink('server');
  const unmatched: (readonly string[])[] = [];
  const link = toolFilter({
    filter: createToolFilter({ allow, deny }),
    onUnmatched: (patterns) => unmatched.push(patterns),
  })(server);
  const received: Frame[] = [];
  link.onframe((frame) => void received.push(frame));
  const send = (line: string) => link.send(parseFrame(Buffer.from(line)));
  return { server, send, received, unmatched };
}

const list = '{"jsonrpc":"2.0","id":7,"method":"tools/list"}';
const call = (params: string): string => `{"jsonrpc":"2.0","id":8,"method":"tools/call","params":${params}}`;

describe('a list of tools', () => {
  it.for<[Partial<ToolPatterns>, string[]]>([
    [{ deny: ['fs_*'] }, [wipe, say, unnamed]],
    [{ deny: ['wipe.all'] }, [read, write, say, unnamed]],
    [{ deny: ['fs.read', 'FS_READ', 'fs', '(say|x)!', ''] }, ALL],
    [{ deny: ['*_write', 'say!'] }, [read, wipe, unnamed]],
    [{ deny: ['*'] }, [unnamed]],
    [{ allow: [['fs_*', 'say!']] }, [read, write, say]],
    [
      {
        allow: [
          ['fs_*', 'say!'],
          ['*_read', 'say!'],
        ],
        deny: ['say*'],
      },
      [read],
    ],
    [{ allow: [['*']] }, [read, write, wipe, say]],
    [{ allow: [[]] }, []],
  ])('keeps what %j allows, byte for byte', async ([patterns, kept]) => {
    const { server, send, received } = open(patterns);
    await send(list);
    await server.deliver(parseFrame(Buffer.from(listOf(...ALL))));
    expect(Buffer.from(received[0]?.bytes ?? []).toString()).toBe(listOf(...kept));
  });

  it('is filtered when its key is there twice', async () => {
    const { server, send, received } = open({ deny: ['fs_*'] });
    await send(list);
    const twice = '{"jsonrpc":"2.0","id":7,"result":{"tools":[],"tools":[{"name":"fs_read"},{"name":"ok"}]}}';
    await server.deliver(parseFrame(Buffer.from(twice)));
    expect(received[0]?.message.result).toEqual({ tools: [{ name: 'ok' }] });
  });

  const answer = (result: string, rest = ''): string => `{"jsonrpc":"2.0","id":7,"result":${result}${rest}}`;
  const SECRET = '{"name":"fs_read"}';
  it.each([
    answer(`{"tools":[{"name":"ok"}],"Tools":[${SECRET}]}`),
    answer(`{"Tools":[${SECRET}]}`),
    answer(`{"tool\u017f":[${SECRET}]}`),
    answer(`{"tools":[${SECRET}],"tools":[]}`),
    answer(`{"\\u0074ools":[${SECRET}],"tools":[]}`),
    answer('{"tools":[]}', `,"Result":{"tools":[${SECRET}]}`),
    answer('{"tools":[]}', `,"re\u017fult":{"tools":[${SECRET}]}`),
    answer('{"tools":[]}', `,"result":{"tools":[${SECRET}]}`),
    answer(`{"tools":[${SECRET}]}`, ',"result":{"tools":[]}'),
    answer(`{"tools":[${SECRET}]}`, ',"error":{"code":1,"message":"m"},"error":{"code":1,"message":"m"}'),
    answer('{"tools":[{"name":"fs_read","name":"ok"},{"name":"ok"}]}'),
    answer('{"tools":[{"name":"ok","name":"fs_read"}]}'),
    answer('{"tools":[{"name":"ok","Name":"fs_read"}]}'),
    answer('{"tools":[{"name":"ok","\\u006eAME":"fs_read"}]}'),
    answer('{"Tools":[],"tools":[{"name":"ok","Name":"fs_read"}]}'),
    answer(`{"tools":[${SECRET}],}`),
    answer(`{"tools":[${SECRET}],"tools":[${SECRET}],"deep":${'['.repeat(100_000)}${']'.repeat(100_000)}}`),
  ])('never shows a tool that is not allowed: %s', async (text) => {
    const { server, send, received } = open({ deny: ['fs_*'] });
    await send(list);
    await server.deliver(peekFrame(Buffer.from(text)));
    expect(received.map(({ id }) => id)).toEqual([7]);
    expect(Buffer.from(received[0]?.bytes ?? []).toString()).not.toContain('fs_read');
  });

  it.each(['"id":8,"result":{},"id":7', '"id":8,"result":{},"Id":7', '"id":8,"result":{},"result":{}'])(
    'is not shown in an answer with %s',
    async (members) => {
      const { server, send, received } = open({ deny: ['fs_*'] });
      await send(list);
      await send(list.replace('7', '8').replace('tools/list', 'ping'));
      const text = `{"jsonrpc":"2.0",${members.replace('{}', `{"tools":[${SECRET}]}`)}}`;
      await server.deliver(frameFromBytes('response', Buffer.from(text), 8, undefined));
      expect(received[0]?.message).toMatchObject({ id: 8, error: { data: { reason: 'malformed_answer' } } });
    },
  );

  it('reports the patterns that match none of its tools, once, and only if it is whole', async () => {
    const { server, send, unmatched } = open({
      allow: [['fs_*', 'wrte_file']],
      deny: ['fs_red', 'fs_write'],
    });
    const whole = listOf(...ALL).replace('"nextCursor": "n", ', '');
    for (const answer of [listOf(...ALL), whole, whole]) {
      await send(list);
      await server.deliver(parseFrame(Buffer.from(answer)));
    }
    expect(unmatched).toEqual([['wrte_file', 'fs_red']]);
  });
});

describe('a call', () => {
  it.for<[Partial<ToolPatterns>, string]>([
    [{ deny: ['fs_*'] }, '{"name":"fs_write"}'],
    [{ allow: [['fs_*']] }, '{"name":"other"}'],
    [{ allow: [[]] }, '{"name":"fs_read"}'],
    [{ allow: [['fs_*']], deny: ['fs_write'] }, '{"name":"fs_write"}'],
    [{ deny: ['fs_*'] }, '{"name":"fs\\u005fwrite"}'],
    [{ deny: ['fs_*'] }, '{"name":["fs_write"]}'],
    [{ deny: ['fs_*'] }, '{}'],
    [{ deny: ['fs_*'] }, '{"name":null}'],
    [{ deny: ['fs_*'] }, '{"name":{"name":"fs_write"}}'],
    [{ deny: ['fs_*'] }, `{"name":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    // Names that some servers take for that of the tool.
    [{ deny: ['fs_*'] }, '{"name":"FS_write"}'],
    [{ deny: ['FS_*'] }, '{"name":"f\u017f_write"}'],
    [{ deny: ['fs_*'] }, '{"name":"  fs_write"}'],
    [{ deny: ['fs_write'] }, '{"name":"fs_write\\u0000x"}'],
    [{ deny: ['fs_write'] }, '{"name":"fs_write\\n"}'],
    [{ deny: ['fs_write'] }, '{"name":"\uff46s_write"}'],
    [{ allow: [['*_read']] }, '{"name":"fs_write\\u0000_read"}'],
    [{ allow: [['fs_write']] }, '{"name":"fs_WRITE"}'],
    [{ deny: ['x'] }, `{"name":"${'a'.repeat(5_000)}"}`],
  ])('with %j and %s is answered as for an unknown tool', async ([patterns, params]) => {
    const { server, send, received } = open(patterns);
    await send(call(params));
    expect(server.sent).toEqual([]);
    expect(received[0]?.message).toMatchObject({
      id: 8,
      error: { code: -32602, data: { reason: 'tool_ignored' } },
    });
  });

  it('of a tool that differs from a hidden one by its case is sent once the server has listed both', async () => {
    const { server, send, received } = open({ deny: ['fs_read'] });
    const line = call('{"name":"FS_READ"}');
    await send(line);
    expect(received[0]?.message).toMatchObject({ error: { code: -32602 } });
    await send(list);
    await server.deliver(parseFrame(Buffer.from(listOf(read, '{"name":"FS_READ"}'))));
    await send(line);
    expect(server.sent.at(-1)?.message).toEqual(JSON.parse(line));
  });

  it('of an allowed tool is sent as it is', async () => {
    const { server, send } = open({ deny: ['fs_*'] });
    const line = call('{"arguments":{"name":"fs_write","Name":1,"big":12345678901234567890},"name":"other"}');
    await send(line);
    expect(server.sent.map(({ frame }) => Buffer.from(frame.bytes).toString())).toEqual([line]);
  });

  it.for([
    call('{"name":"fs_write","name":"other"}'),
    call('{"name":"other","Name":"fs_write"}'),
    call('{"Name":"fs_write"}'),
    call('{"name":"other","\\u004eame":"fs_write"}'),
    call('{"name":"other"}').replace('"params"', '"Params":{"name":"fs_write"},"params"'),
    call('{"name":"other"}').replace('"params"', '"param\u017f":{"name":"fs_write"},"params"'),
    call('{"name":"fs_write"}').replace('"method":"tools/call"', '"method":"tools/call","method":"ping"'),
    call('{"name":"fs_write"}').replace('"method":"tools/call"', '"Method":"tools/call","method":"ping"'),
  ])('that servers may read in two ways is rejected: %s', async (line) => {
    const { server, send, received } = open({ deny: ['fs_*'] });
    await send(line);
    expect(server.sent).toEqual([]);
    expect(received[0]?.message).toMatchObject({ id: 8, error: { code: -32600 } });
  });

  it('that is a notification does not reach the server', async () => {
    const { server, send, received } = open({ deny: ['fs_*'] });
    await send('{"jsonrpc":"2.0","method":"tools/call","params":{"name":"fs_write"}}');
    expect([server.sent, received]).toEqual([[], []]);
  });
});

it('leaves other messages of both sides as they are', async () => {
  const { server, send, received } = open({ deny: ['*'] });
  await send('{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"fs_write","Name":"x"}}');
  await send('{"jsonrpc":"2.0","id":"q","result":{"tools":[{"name":"fs_read"}]}}');
  await server.deliver({ id: 1, result: { tools: [{ name: 'fs_read' }] } });
  expect(server.sent).toHaveLength(2);
  expect(received[0]?.message.result).toEqual({ tools: [{ name: 'fs_read' }] });
});
