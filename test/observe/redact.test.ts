import { expect, test } from 'vitest';
import { redact, secretsOf, withoutSecrets } from '../../src/observe/redact.ts';
import { createRecordingLog } from './recording-log.ts';

test.each([
  ['https://user:hunter22@host/path', 'https://***@host/path'],
  ['postgres://u:p%40ss@db:5432/x?sslmode=off', 'postgres://***@db:5432/x?sslmode=off'],
  ['https://host/?api_key=abcdef&x=1#access_token=zz', 'https://host/?api_key=***&x=1#access_token=***'],
  ["unknown option '--token=abcdef'", "unknown option '--token=***'"],
  ['npx server --api-key abcdef --verbose', 'npx server --api-key *** --verbose'],
  ['GITHUB_TOKEN=abcdef is not set', 'GITHUB_TOKEN=*** is not set'],
  ['Authorization: Bearer abcdef.ghi', 'Authorization: Bearer ***'],
  ['Basic dXNlcjpwYXNz', 'Basic ***'],
])('%j is shown as %j', (text, shown) => {
  expect(redact(text)).toBe(shown);
  expect(redact(shown)).toBe(shown);
});

test.each([
  'Server "files": command not found: npx',
  'mcp.json:1:2: mcpServers.token.command: is empty',
  '--token-file: /etc/tokens holds no token',
  'Port 3000 on 127.0.0.1 is in use',
  'The schema is at https://host/schema.json?version=2',
  'Refusing to listen on 0.0.0.0 without a token; see --token-file',
  'user@host is not a URL',
])('%j is shown as it is', (text) => {
  expect(redact(text)).toBe(text);
});

test('what a server is started with says what its secrets are', () => {
  const env = {
    PATH: '/usr/bin',
    PWD: '/home/someone',
    GITHUB_TOKEN: 'ghp_0123456789',
    AWS_SECRET_ACCESS_KEY: 'aws/0123456789',
    DATABASE_URL: 'postgres://u:db-password@db/x',
    KEYBOARD: 'german',
    API_KEY: 'abc',
  };
  const args = [
    '-y',
    'server',
    '--api-key',
    'argument-1',
    '--token=argument-2',
    '--header',
    'Authorization: Bearer argument-3',
    'https://host/?key_token=argument-4',
    '--verbose',
  ];
  expect([...secretsOf({ kind: 'stdio', args, env })].toSorted()).toEqual([
    'argument-1',
    'argument-2',
    'argument-3',
    'argument-4',
    'aws/0123456789',
    'db-password',
    'ghp_0123456789',
  ]);
});

test('what a remote server is reached with says what its secrets are', () => {
  const url = 'https://host/mcp?key=query%2Fvalue&v=2&team=query-team';
  const headers = {
    authorization: 'Bearer header-token-1',
    'x-api-key': 'header-key-2',
    'x-team': 'red',
    'user-agent': 'agent-smith',
  };
  const privateKey = '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqG\nSM49AgEG\n-----END PRIVATE KEY-----\n';
  const oauth = { clientSecret: 'client-secret', privateKey };
  expect([...secretsOf({ kind: 'remote', url, headers, oauth })].toSorted()).toEqual([
    'Bearer header-token-1',
    'MIGHAgEAMBMGByqG',
    'SM49AgEG',
    'client-secret',
    'header-key-2',
    'header-token-1',
    'query%2Fvalue',
    'query-team',
    'query/value',
  ]);
  expect(
    secretsOf({ kind: 'remote', url: 'https://host/?x=%E0%A4%A', headers: {}, oauth: undefined }),
  ).toEqual(['%E0%A4%A']);
});

test('a log without secrets masks them in texts and fields, and the longer of two first', () => {
  const log = createRecordingLog();
  const clean = withoutSecrets(log, ['secret-and-more', 'secret']).child({ server: 'a' });
  clean.warn({ event: 'server.stderr', detail: 'my secret', count: 1 }, 'is secret-and-more than secret');
  expect(JSON.stringify(log.of('server.stderr'))).not.toContain('secret');
  expect(JSON.stringify(log.of('server.stderr'))).toContain('is *** than ***');
});

test('a server without secrets has the log as it is', () => {
  const log = createRecordingLog();
  expect(withoutSecrets(log, [])).toBe(log);
});
