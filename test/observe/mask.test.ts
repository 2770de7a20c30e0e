import { expect, test } from 'vitest';
import { secretsOf } from '../../src/observe/known-secrets.ts';
import { createMask } from '../../src/observe/mask.ts';
import { maskLog } from '../../src/observe/masked-log.ts';
import { createRecordingLog } from './recording-log.ts';

test('what a server is started with says what its secrets are', () => {
  const env = {
    PATH: '/usr/bin',
    PWD: '/home/someone',
    GITHUB_TOKEN: 'ghp_0123456789',
    AWS_SECRET_ACCESS_KEY: 'aws/0123456789',
    DATABASE_URL: 'postgres://u:db-password@db/x',
    ADO: 'Server=db;Pwd=ado-password',
    OPTIONS: '{"apiKey":"json\\"value"}',
    KEYBOARD: 'german',
    API_KEY: 'abc',
    USE_TOKEN: 'true',
    MAX_TOKENS: '123456',
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
    '-e',
    'TOKEN=argument 5',
    '--env=SECRET=argument-6',
    '-u',
    'me:argument-7',
    '-HX-Api-Key: argument-8',
    '--token',
    '${REFERENCE}',
  ];
  expect([...secretsOf({ kind: 'stdio', args, env })].toSorted()).toEqual([
    'abc',
    'ado-password',
    'argument 5',
    'argument-1',
    'argument-2',
    'argument-3',
    'argument-4',
    'argument-6',
    'argument-7',
    'argument-8',
    'aws/0123456789',
    'db-password',
    'ghp_0123456789',
    'json"value',
    'json\\"value',
    'u:db-password',
  ]);
});

test('what a remote server is reached with says what its secrets are', () => {
  const url = 'https://host/mcp?key=query%2Fvalue&v=2&team=query-team#access_token=part';
  const headers = {
    authorization: 'Bearer header-token-1',
    'x-api-key': 'header-key-2',
    'x-team': 'red',
    'user-agent': 'agent-smith',
  };
  const privateKey = '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqG\nSM49AgEGAB\n-----END PRIVATE KEY-----\n';
  const oauth = { clientSecret: 'client-secret', privateKey };
  const secrets = secretsOf({ kind: 'remote', url, headers, oauth });
  expect(secrets).toEqual(
    expect.arrayContaining([
      ...['header-token-1', 'header-key-2', 'query%2Fvalue', 'query/value', 'query-team', 'part'],
      ...['client-secret', 'MIGHAgEAMBMGByqG', 'SM49AgEGAB', privateKey.trim()],
    ]),
  );
  expect(secrets).not.toContain('red');
  expect(secrets).not.toContain('agent-smith');
});

const SECRET = `p@ss"w/ö+r d&1'<`;
const FORMS: readonly (readonly [string, string])[] = [
  ['as it is', SECRET],
  ['in a URL', encodeURIComponent(SECRET)],
  ['in a URL, in lower case', encodeURIComponent(SECRET).replaceAll(/%../g, (hex) => hex.toLowerCase())],
  ['in a form', new URLSearchParams({ a: SECRET }).toString().slice(2)],
  ['in JSON', JSON.stringify(SECRET).slice(1, -1)],
  ['in JSON within JSON', JSON.stringify(JSON.stringify(SECRET)).slice(3, -3)],
  ['in HTML', SECRET.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')],
  ['in base64', Buffer.from(SECRET).toString('base64')],
];

test.each(FORMS)('a secret is masked %s', (_title, form) => {
  const masked = createMask([SECRET])(`sent ${form} there`);
  expect(masked).toBe('sent *** there');
});

test.each(['a', 'ab', 'abc', 'user-name'])('a password is masked in the credentials of user %j', (user) => {
  const credentials = Buffer.from(`${user}:hunter2-hunter2`).toString('base64');
  const shown = createMask(['hunter2-hunter2'])(`x=${credentials}`).replace('x=', '').replace('***', '');
  expect(Buffer.from(shown, 'base64').toString()).not.toContain('hunter');
});

test('short secrets are masked where they stand alone, and no others with them', () => {
  const mask = createMask(['4821', 'ab', '7f3a2']);
  expect(mask('pin 4821, id 48210, x4821, "4821"')).toBe('pin ***, id 48210, x4821, "***"');
  expect(mask('ab and about, a=ab; {"a":"ab"}')).toBe('ab and about, a=***; {"a":"***"}');
  expect(mask('ab')).toBe('***');
  expect(mask('7f3a2 77f3a2')).toBe('*** 77f3a2');
});

test('of overlapping secrets all characters are masked', () => {
  expect(createMask(['secret-and-more', 'secret'])('is secret-and-more than secret')).toBe('is *** than ***');
  expect(createMask(['abcdefgh', 'efghijkl'])('<abcdefghijkl>')).toBe('<***>');
});

test('a secret that is written over several lines is masked in each', () => {
  const mask = createMask(['first-part-second-part-third-part']);
  expect(mask('it is first-part-seco')).toBe('it is ***');
  expect(mask('nd-part-thir')).toBe('***');
  expect(mask('hird-part it was')).toBe('*** it was');
});

test('a log masks secrets in its text and at any depth of its fields', () => {
  const log = createRecordingLog();
  const clean = maskLog(log, createMask(['hunter2-hunter2', '48213377'])).child({ server: 'a' });
  const error = new Error('at hunter2-hunter2', { cause: new Error('from hunter2-hunter2') });
  const circle: Record<string, unknown> = { text: 'hunter2-hunter2' };
  circle['self'] = circle;
  const nested = {
    list: ['hunter2-hunter2', { 'hunter2-hunter2': 48_213_377 }],
    password: 'unknown',
    key: 'a.b',
  };
  clean.warn({ event: 'x', nested, error, circle, count: 1, big: 2n }, 'is hunter2-hunter2');
  const [entry] = log.of('x');
  expect(entry).toMatchObject({
    text: 'is ***',
    count: 1,
    big: 2n,
    nested: { list: ['***', { '***': '***' }], password: '***', key: 'a.b' },
    error: { message: 'at ***', cause: { message: 'from ***' } },
    circle: { text: '***', self: '[circular]' },
  });
  expect(JSON.stringify(entry, (_key, value: unknown) => (String(value) === '2' ? 2 : value))).not.toContain(
    'hunter2',
  );
});

test('a log keeps the names of its own fields, though a secret is such a word', () => {
  const log = createRecordingLog();
  maskLog(log, createMask(['code', 'event'])).warn(
    { event: 'x', code: 'E', exitCode: 1 },
    'the code is code',
  );
  expect(log.of('x')[0]).toMatchObject({ text: 'the *** is ***', code: 'E', exitCode: 1 });
});

test('a million characters are searched for ten thousand secrets in linear time', () => {
  const secrets = Array.from({ length: 10_000 }, (_, index) => `${'a'.repeat(40)}-${index}`);
  const mask = createMask([...secrets, `${'a'.repeat(500)}b`]);
  expect(mask(`${'a'.repeat(1_000_000)} ${secrets[7]}`)).toMatch(/a \*\*\*$/);
}, 60_000);
