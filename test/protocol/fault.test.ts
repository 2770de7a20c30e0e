import { describe, expect, it } from 'vitest';
import { ERRORS, RunError } from '../../src/errors.ts';
import { faultFrame, forParent } from '../../src/protocol/fault.ts';

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

describe('for clients on the network', () => {
  const texts: [title: string, error: RunError, network: string, parent: string][] = [
    [
      'the name of a command',
      new RunError('COMMAND_NOT_FOUND', { server: 's', command: '/opt/a b/run me.sh', hint: 'Install it' }),
      'Server "s": command not found: run me.sh. Install it',
      'Server "s": command not found: /opt/a b/run me.sh. Install it',
    ],
    [
      'nothing of why it cannot be started',
      new RunError('SPAWN_FAILED', { server: 's', detail: 'no such directory: /opt' }),
      'Server "s" cannot be started',
      'Server "s" cannot be started: no such directory: /opt',
    ],
    [
      'the origin of a URL',
      new RunError('UPSTREAM_UNREACHABLE', { server: 's', url: 'https://u:p@h.example:1/a?b', detail: 'x' }),
      'Server "s" cannot be reached at https://h.example:1',
      'Server "s" cannot be reached at https://u:p@h.example:1/a?b: x',
    ],
    [
      'what mcp-run says about an answer',
      new RunError('UPSTREAM_HTTP', {
        server: 's',
        status: 200,
        detail: ', but not with a stream of events',
      }),
      'Server "s" answered with HTTP status 200, but not with a stream of events',
      'Server "s" answered with HTTP status 200, but not with a stream of events',
    ],
    [
      'nothing of what a remote server says with a status',
      new RunError('UPSTREAM_HTTP', { server: 's', status: 500, detail: ': no /etc/x' }),
      'Server "s" answered with HTTP status 500',
      'Server "s" answered with HTTP status 500: no /etc/x',
    ],
    [
      'nothing of why authorization failed',
      new RunError('AUTHORIZATION_FAILED', { server: 's', detail: 'https://h/a says no', hint: 'See /a' }),
      'Server "s": authorization failed',
      'Server "s": authorization failed: https://h/a says no. See /a',
    ],
  ];

  it.each(texts)('tells %s', (_title, failure, network, parent) => {
    const frame = faultFrame(failure, 1);
    expect(frame.message.error?.message).toBe(network);
    expect(String(frame.bytes)).toContain(JSON.stringify(network));
    expect(forParent(frame).message.error?.message).toBe(parent);
  });

  it('tells of a crash loop what it tells of its failure', () => {
    const cause = new RunError('SPAWN_FAILED', { server: 's', detail: '/opt/x is not executable' });
    const fields = { server: 's', reason: cause.message, retryAfter: 3, hint: 'Look at /opt' };
    const failure = new RunError('CRASH_LOOP', fields, { cause });
    expect(failure.publicMessage).toBe(
      'Server "s" keeps failing to start (Server "s" cannot be started); the next try is in 3 s',
    );
    expect(failure.publicHint).toBeUndefined();
  });

  it('leaves the last words of a server to the process that started mcp-run', () => {
    const frame = faultFrame(new RunError('UPSTREAM_EXITED', { server: 's', status: 'x', stderr: '/a' }), 1);
    expect(String(frame.bytes)).not.toContain('/a');
    expect(forParent(frame).message.error?.data).toMatchObject({ stderr: '/a' });
  });

  it('fills no field into a text for them that may hold a path, unless it is shortened', () => {
    const risky = Object.entries<{ message: string; forNetwork?: string }>(ERRORS).filter(
      ([code, { message, forNetwork = message }]) =>
        !OF_THE_CLIENT.has(code) && /\{(?:detail|file|source|tried|problems|place|reason)\}/.test(forNetwork),
    );
    expect(risky.map(([code]) => code)).toEqual(['CRASH_LOOP']);
  });

  it('names a command of any form without its folder', () => {
    for (const command of [
      '/opt/secret/x',
      '/opt/secret/x/',
      'C:\\secret\\x',
      '\\\\host\\secret\\x',
      './secret/x',
      '~/secret/x',
      'file:///secret/x',
      '%2Fsecret%2fx',
      'C:%5Csecret%5cx',
      '/opt/se cret/secret/x',
    ])
      expect(new RunError('COMMAND_NOT_FOUND', { server: 's', command }).publicMessage).toBe(
        'Server "s": command not found: x',
      );
    expect(new RunError('COMMAND_NOT_FOUND', { server: 's', command: '/' }).publicMessage).not.toContain('/');
  });
});

/** Details that say what the client has sent, or what is wrong with a message of MCP. */
const OF_THE_CLIENT: ReadonlySet<string> = new Set([
  'AUTHORIZATION_REQUIRED',
  'UNREADABLE_ANSWER',
  'NOT_MCP',
  'SUBSCRIPTION_REFUSED',
  'INPUT_REFUSED',
  'INVALID_PARAMS',
  'PARSE_ERROR',
  'INVALID_REQUEST',
  'UNAUTHORIZED',
  'UNSUPPORTED_MEDIA_TYPE',
  'INVALID_METADATA',
  'HEADER_MISMATCH',
]);
