import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { reachOf } from '../../../src/upstream/oauth/addresses.ts';
import { createGuard } from '../../../src/upstream/oauth/guard.ts';
import { GuardedFetch } from '../../../src/upstream/oauth/guarded-fetch.ts';
import { startAuthorizationServer } from '../../support/authorization-server.ts';
import { setUp } from './user.ts';

it.each([
  [
    'public',
    ['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:8.8.8.8', '64:ff9b::808:808'],
  ],
  ['loopback', ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '64:ff9b::7f00:1']],
  [
    'private',
    ['10.0.0.1', '172.16.0.1', '192.168.1.1', '100.64.0.1', 'fd00::1', 'fec0::1', '::ffff:10.0.0.1'],
  ],
  ['private', ['2002:a00:1::', '::10.0.0.1', '::ffff:a00:1']],
  [
    'link-local',
    ['169.254.169.254', 'fe80::1', 'fe80::1%eth0', '::ffff:169.254.169.254', '64:ff9b::a9fe:a9fe'],
  ],
  ['private', ['::ffff:0:10.0.0.1', '2606:4700::5efe:a00:1', '2606:4700::200:5efe:a00:1', 'fd00::1%eth0']],
  [
    'loopback',
    ['::ffff:0:127.0.0.1', '64:ff9b::127.0.0.1', '2002:7f00:1::', '::1%lo', '::ffff:127.0.0.1%lo'],
  ],
  ['link-local', ['::ffff:0:a9fe:a9fe', '2606:4700::5efe:a9fe:a9fe', '2002:a9fe:a9fe::1']],
  ['public', ['::ffff:0:8.8.8.8', '2606:4700::5efe:808:808', '2001:200::1', '2002:808:808::1', '192.0.1.1']],
  [
    'reserved',
    [
      '64:ff9b:1::808:808',
      '2001::4136:e378:8000:63bf:3fff:fdd2',
      '2001:2::1',
      '2001:10::1',
      '2001:20::1',
      '2001:db8::1',
      '3fff::1',
      '5f00::1',
      '100::1',
      '100:0:0:1::1',
      '4000::1',
      '192.31.196.1',
      '192.52.193.1',
      '192.88.99.1',
      '192.175.48.1',
      '203.0.113.1',
      '240.0.0.1',
      '0.1.2.3',
      'no address',
    ],
  ],
  ['reserved', ['0.0.0.0', '::', '224.0.0.1', '255.255.255.255', '198.18.0.1', 'ff02::1', '::ffff:0.0.0.0']],
] as const)('addresses that are %s: %s', (reach, addresses) => {
  expect(addresses.map(reachOf)).toEqual(addresses.map(() => reach));
});

describe('a server', () => {
  it.each([
    ['at a public address', 'https://8.8.8.8/mcp', 'https://1.1.1.1/token', undefined],
    ['at a public address', 'https://8.8.8.8/mcp', 'http://1.1.1.1/token', 'not https'],
    ['at a public address', 'https://8.8.8.8/mcp', 'https://10.0.0.1/token', 'a private address'],
    ['at a public address', 'https://8.8.8.8/mcp', 'https://localhost/token', 'a loopback address'],
    ['at a public address', 'https://8.8.8.8/mcp', 'https://a.localhost./token', 'a loopback address'],
    ['at a public address', 'https://8.8.8.8/mcp', 'https://[::ffff:127.0.0.1]/token', 'a loopback address'],
    ['at a public address', 'https://8.8.8.8/mcp', 'https://2130706433/token', 'a loopback address'],
    ['at a public address', 'https://8.8.8.8/mcp', 'https://0x7f.1/token', 'a loopback address'],
    ['at a public address', 'https://8.8.8.8/mcp', 'https://169.254.169.254/latest', 'a link-local address'],
    ['at a public address', 'https://8.8.8.8/mcp', 'file:///etc/passwd', 'not https'],
    ['at a public address', 'https://8.8.8.8/mcp', 'https://localhost.localdomain/a', 'a loopback address'],
    ['at a public address', 'https://8.8.8.8/mcp', 'https://ip6-localhost../a', 'a loopback address'],
    ['at a public address', 'https://8.8.8.8/mcp', 'https://127.0.0.1./token', 'a loopback address'],
    ['at a public address', 'https://8.8.8.8/mcp', 'https://０１７７.0.0.1/token', 'a loopback address'],
    ['at a public address', 'https://8.8.8.8/mcp', 'https://0/token', 'a reserved address'],
    ['at a public address', 'https://8.8.8.8/mcp', 'https://[64:ff9b:1::7f00:1]/a', 'a reserved address'],
    ['at a public address', 'https://8.8.8.8/mcp', 'https://[::ffff:0:7f00:1]/a', 'a loopback address'],
    ['at a public address', 'https://8.8.8.8/mcp', 'javascript:alert(1)', 'not https'],
    ['at a public address', 'https://8.8.8.8/mcp', 'data:text/html,a', 'not https'],
    // Routers of the public network bring packets to it.
    ['at an address of ISATAP', 'https://[2606:4700::5efe:7f00:1]/mcp', 'https://127.0.0.1/', 'a loopback'],
    ['at an invented address', 'https://198.18.0.1/mcp', 'https://198.19.0.1/token', undefined],
    ['at an invented address', 'https://198.18.0.1/mcp', 'https://0.0.0.0/token', 'a reserved address'],
    ['in a private network', 'https://10.0.0.1/mcp', 'https://192.168.0.9/token', undefined],
    ['in a private network', 'http://10.0.0.1/mcp', 'http://10.0.0.1/metadata', undefined],
    ['in a private network', 'http://10.0.0.1/mcp', 'http://10.0.0.2/token', 'not https'],
    ['in a private network', 'https://10.0.0.1/mcp', 'https://127.0.0.1/token', 'a loopback address'],
    [
      'in a private network',
      'https://10.0.0.1/mcp',
      'https://169.254.169.254/latest',
      'a link-local address',
    ],
    ['on this machine', 'http://localhost:3000/mcp', 'http://127.0.0.1:4000/token', undefined],
    ['on this machine', 'http://127.0.0.1:3000/mcp', 'https://10.0.0.1/token', undefined],
    ['on this machine', 'http://127.0.0.1:3000/mcp', 'http://10.0.0.1/token', 'not https'],
    [
      'on this machine',
      'http://127.0.0.1:3000/mcp',
      'https://169.254.169.254/latest',
      'a link-local address',
    ],
  ])('%s, %s, may name %s: %s', async (_, server, url, refusal) => {
    const text = await createGuard(new URL(server), { clock: systemClock }).rejectionReason(new URL(url));
    expect(text).toEqual(refusal === undefined ? undefined : expect.stringContaining(refusal));
  });

  it('at a public address may not name one whose name leads to this machine', async () => {
    const { lookup } = createGuard(new URL('https://8.8.8.8/mcp'), { clock: systemClock });
    const error = await new Promise((resolve) => lookup('localhost', {}, (each) => resolve(each)));
    expect(String(error)).toContain('localhost is a loopback address');
  });

  it('on this machine may name such a one', async () => {
    const { lookup } = createGuard(new URL('http://127.0.0.1:3000/mcp'), { clock: systemClock });
    const found = await new Promise((resolve) =>
      lookup('localhost', { all: true }, (_, addresses) => resolve(addresses)),
    );
    expect(found).toContainEqual(
      expect.objectContaining({ address: expect.stringMatching(/^(127\.0\.0\.1|::1)$/) }),
    );
  });
});

describe('a request to an authorization server', () => {
  it.each(['/.well-known/oauth-protected-resource/mcp', '/token', '/register'])(
    'does not follow a redirect of %s to another origin',
    async (path) => {
      const elsewhere = await startAuthorizationServer();
      const server = await startAuthorizationServer();
      server.rules.redirects = { [path]: `${elsewhere.origin}${path}` };
      const { request } = await setUp(server.url);

      await request().catch(() => {});
      expect(elsewhere.requests).toEqual([]);
    },
  );

  it('follows one within the origin, a few times', async () => {
    const server = await startAuthorizationServer({
      redirects: { '/.well-known/oauth-protected-resource/mcp': '/metadata' },
      paths: { resourceMetadata: '/metadata', metadata: '/.well-known/oauth-authorization-server' },
      challenge: () => undefined,
    });
    const { request } = await setUp(server.url);
    expect(await request()).toBe(200);

    const loop = await startAuthorizationServer({
      challenge: () => undefined,
      metadata: null,
      resourceMetadata: null,
    });
    loop.rules.redirects = { '/.well-known/oauth-protected-resource/mcp': '/loop', '/loop': '/loop' };
    const { request: requestOfLoop } = await setUp(loop.url);
    await requestOfLoop().catch(() => {});
    expect(loop.to('/loop').length).toBeLessThan(20);
  });

  it('takes no endless answer', async () => {
    const { origin, fetch } = await startEndless();

    await expect(fetch(`${origin}/metadata`)).rejects.toMatchObject({
      code: 'AUTHORIZATION_FAILED',
      message: expect.stringContaining('more than'),
    });
  });
});

/** A server that never stops talking. */
async function startEndless() {
  const http = createServer((_, response) => {
    const write = (): void =>
      void (response.write('x'.repeat(65_536)) ? setImmediate(write) : response.once('drain', write));
    response.on('close', () => response.removeAllListeners('drain'));
    write();
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const guarded = new GuardedFetch({
    server: 'files',
    url: new URL(origin),
    tls: { caFile: undefined, certFile: undefined, keyFile: undefined },
    clock: systemClock,
  });
  onTestFinished(async () => {
    await guarded.close();
    http.closeAllConnections();
    http.close();
  });
  return { origin, fetch: guarded.fetch(new AbortController().signal) };
}
