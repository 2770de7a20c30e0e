/** The guard with name servers that an attacker may have: what they answer here is scripted. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { createDispatcher } from '../../../src/upstream/http/dispatcher.ts';
import { createServerAddresses, type ServerAddresses } from '../../../src/upstream/http/server-addresses.ts';
import { createGuard } from '../../../src/upstream/oauth/guard.ts';
import { GuardedFetch } from '../../../src/upstream/oauth/guarded-fetch.ts';
import { openProxy } from '../http/proxy.ts';

const NO_TLS = { caFile: undefined, certFile: undefined, keyFile: undefined };
const PUBLIC = '8.8.8.8';

type Answers = Readonly<Record<string, readonly (readonly string[])[]>>;

afterEach(() => vi.unstubAllEnvs());

/** Name servers that give these answers, one after the other and then the last one again. */
function nameServers(answers: Answers): ServerAddresses {
  const left = new Map(Object.entries(answers).map(([name, list]) => [name, [...list]]));
  return createServerAddresses(async (hostname) => {
    await Promise.resolve();
    const list = left.get(hostname) ?? [];
    const addresses = list.length > 1 ? list.shift() : list[0];
    if (addresses === undefined) throw new Error(`getaddrinfo ENOTFOUND ${hostname}`);
    return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  });
}

/** @returns the addresses, or the error */
async function lookUp({ lookup }: Pick<ServerAddresses, 'lookup'>, host: string): Promise<unknown> {
  return await new Promise((resolve) => {
    lookup(host, { all: true }, (error, found) =>
      resolve(
        error === null && Array.isArray(found) ? found.map(({ address }) => address) : String(error?.message),
      ),
    );
  });
}

/** A guard of a server that a connection was opened to. */
async function guardAfterConnection(...answers: readonly (readonly string[])[]) {
  const addresses = nameServers({
    'mcp.example': answers,
    'loop.example': [['127.0.0.1']],
    'lan.example': [['10.0.0.9']],
    'link.example': [['169.254.169.254']],
    'public.example': [['1.1.1.1']],
    'fake.example': [['198.18.0.7']],
    'both.example': [['127.0.0.1', '1.1.1.1']],
    'rebinding.example': [['1.1.1.1'], ['127.0.0.1']],
    localhost: [['6.6.6.6', '127.0.0.1']],
  });
  const guard = createGuard(new URL('https://mcp.example/mcp'), { addresses, clock: systemClock });
  await lookUp(addresses, 'mcp.example');
  return { addresses, guard };
}

describe('the guard of a server', () => {
  it.each([
    ['public', [PUBLIC]],
    ['public', ['127.0.0.1', PUBLIC]],
    ['public', [PUBLIC, '10.0.0.1']],
    ['private', ['169.254.1.1', '10.0.0.1']],
    ['private', ['192.168.1.5', 'fe80::1%eth0']],
    ['public', ['198.18.0.1', '10.0.0.1']],
    ['public', ['169.254.1.1', PUBLIC]],
    ['public', ['::1', '2606:4700::1']],
    ['private', ['10.0.0.1', 'fd00::1']],
    ['private', ['127.0.0.1', '10.0.0.1']],
    ['loopback', ['127.0.0.1', '::1']],
    ['link-local', ['169.254.1.1', 'fe80::1']],
  ])('takes it for %s when its name has the addresses %j', async (home, addresses) => {
    const { guard } = await guardAfterConnection(addresses);
    expect(await guard.home()).toBe(home);
  });

  it('keeps to the addresses of the connection when the name servers answer another way later', async () => {
    const { guard, addresses } = await guardAfterConnection([PUBLIC], ['127.0.0.1']);
    expect(await guard.home()).toBe('public');
    expect(await guard.rejectionReason(new URL('https://127.0.0.1/token'))).toContain('a loopback address');
    expect(await lookUp(guard, 'loop.example')).toContain('loop.example is a loopback address');
    expect(await lookUp({ lookup: guard.ownLookup }, 'mcp.example')).toContain('loopback address now');
    expect(addresses.seen).toEqual([PUBLIC]);
  });

  it('takes a later connection to a public address into account', async () => {
    const { guard, addresses } = await guardAfterConnection(['127.0.0.1'], [PUBLIC]);
    expect(await guard.home()).toBe('loopback');
    await lookUp(addresses, 'mcp.example');
    expect(await guard.home()).toBe('public');
  });

  it('takes a name with ever new addresses for public', async () => {
    const { guard, addresses } = await guardAfterConnection(['10.0.0.1']);
    for (let number = 0; number < 300; number += 1)
      addresses.add([{ address: `10.0.${number >> 8}.${number & 255}`, family: 4 }]);
    expect(await guard.home()).toBe('public');
  });

  it.each([
    [PUBLIC, 'loop.example', 'loopback'],
    [PUBLIC, 'lan.example', 'private'],
    [PUBLIC, 'link.example', 'link-local'],
    ['10.0.0.1', 'loop.example', 'loopback'],
    ['127.0.0.1', 'link.example', 'link-local'],
  ])('at %s refuses to connect to %s', async (address, name, reach) => {
    const { guard } = await guardAfterConnection([address]);
    expect(await lookUp(guard, name)).toContain(`${name} is a ${reach} address`);
  });

  it('connects to the addresses that it has checked, and to no others', async () => {
    const { guard } = await guardAfterConnection([PUBLIC]);
    expect(await lookUp(guard, 'both.example')).toEqual(['1.1.1.1']);
    expect(await lookUp(guard, 'rebinding.example')).toEqual(['1.1.1.1']);
    expect(await lookUp(guard, 'rebinding.example')).toContain('a loopback address');
  });

  it('never connects to another machine under the name localhost', async () => {
    const { guard } = await guardAfterConnection(['127.0.0.1']);
    expect(await lookUp(guard, 'localhost')).toEqual(['127.0.0.1']);
  });

  it('does not believe the name servers before there was a connection', async () => {
    const addresses = nameServers({ 'mcp.example': [['127.0.0.1']], 'mcp.internal': [['10.0.0.1']] });
    const guardOf = (host: string, more = {}) =>
      createGuard(new URL(`https://${host}/mcp`), { addresses, clock: systemClock, ...more });
    expect(await guardOf('mcp.example').home()).toBe('public');
    expect(await guardOf('mcp.example', { knownReach: 'private' }).home()).toBe('private');
    // The public name servers do not have these names.
    expect(await guardOf('mcp.internal').home()).toBe('private');
    expect(await guardOf('intranet').home()).toBe('private');
  });

  it('lets the issuer of the settings be anywhere, by https', async () => {
    const { addresses } = await guardAfterConnection([PUBLIC]);
    const guard = createGuard(new URL('https://mcp.example/mcp'), {
      addresses,
      issuer: 'https://lan.example/tenant',
      clock: systemClock,
    });
    expect(
      await guard.rejectionReason(new URL('https://lan.example/token'), { isByOther: true }),
    ).toBeUndefined();
    expect(await guard.rejectionReason(new URL('http://lan.example/token'))).toContain('not https');
    expect(await lookUp(guard, 'lan.example')).toEqual(['10.0.0.9']);
    expect(await lookUp(guard, 'loop.example')).toContain('a loopback address');
  });
});

describe('a name that a proxy or a browser resolves', () => {
  it.each([
    ['loop.example', 'a loopback address'],
    ['lan.example', 'a private address'],
    ['both.example', 'a loopback address'],
    ['unknown.local', 'a private address'],
    ['printer', 'a private address'],
    ['unknown.example', undefined],
    // A proxy on this machine gives every name an address like that.
    ['fake.example', undefined],
    ['public.example', undefined],
  ])('%s, is checked for a server at a public address: %s', async (name, refusal) => {
    const { guard } = await guardAfterConnection([PUBLIC]);
    const text = await guard.rejectionReason(new URL(`https://${name}/authorize`), { isByOther: true });
    expect(text).toEqual(refusal === undefined ? undefined : expect.stringContaining(refusal));
  });

  it('is left to the other program when no name server answers, and is not asked for again', async () => {
    const asked: string[] = [];
    const addresses = createServerAddresses((hostname) => {
      asked.push(hostname);
      return new Promise(() => {});
    });
    const guard = createGuard(new URL('https://8.8.8.8/mcp'), {
      addresses,
      resolveMs: 1,
      clock: systemClock,
    });
    const rejectionOf = (name: string) =>
      guard.rejectionReason(new URL(`https://${name}/`), { isByOther: true });
    expect(await rejectionOf('slow.example')).toBeUndefined();
    expect(await rejectionOf('slow.example')).toBeUndefined();
    expect(await rejectionOf('slow.internal')).toContain('a private address');
    expect(asked).toEqual(['slow.example', 'slow.internal']);
  });

  it('is checked for a server in a private network', async () => {
    const { guard } = await guardAfterConnection(['10.0.0.1']);
    const rejectionOf = (name: string) =>
      guard.rejectionReason(new URL(`https://${name}/`), { isByOther: true });
    expect(await rejectionOf('lan.example')).toBeUndefined();
    expect(await rejectionOf('unknown.local')).toBeUndefined();
    expect(await rejectionOf('loop.example')).toContain('a loopback address');
  });

  it('is never sent to the proxy when it leads to this machine', async () => {
    const proxy = await openProxy();
    vi.stubEnv('HTTPS_PROXY', proxy.url);
    vi.stubEnv('NO_PROXY', '');
    const { guarded } = await open('https://8.8.8.8/mcp', { 'loop.example': [['127.0.0.1']] });
    await expect(guarded(`https://loop.example/token`)).rejects.toThrow('a loopback address');
    await expect(guarded(`https://127.0.0.1/token`)).rejects.toThrow('a loopback address');
    expect(proxy.asked).toEqual([]);
  });
});

describe('a request', () => {
  it('reaches a server on this machine for a server that has no other address', async () => {
    const victim = await startVictim();
    const { connect, guarded, origin } = await open('http://mcp.example/mcp', {
      'mcp.example': [['127.0.0.1']],
    });
    await connect();
    expect((await guarded(`${victim.origin}/metadata`)).status).toBe(200);
    expect((await guarded(`${origin}/metadata`)).status).toBe(200);
    expect(victim.paths).toEqual(['/metadata']);
  });

  it.each([
    ['has a public address as well', [['127.0.0.1', PUBLIC]]],
    ['has an address of a private network as well', [['127.0.0.1', '10.255.255.1']]],
  ])('reaches no server on this machine for a server that %s', async (_, answers) => {
    const victim = await startVictim();
    const { connect, guarded } = await open('http://mcp.example/mcp', { 'mcp.example': answers });
    await connect();
    await expect(guarded(`${victim.origin}/metadata`)).rejects.toMatchObject({
      code: 'AUTHORIZATION_FAILED',
    });
    expect(victim.paths).toEqual([]);
  });
});

/** A server, at a port of this machine under a name, and requests to what it names. */
async function open(url: string, answers: Answers) {
  const server = await startVictim();
  const target = new URL(url);
  if (target.protocol === 'http:') target.port = new URL(server.origin).port;
  const addresses = nameServers(answers);
  const fetching = new GuardedFetch({
    server: 'far',
    url: target,
    tls: NO_TLS,
    addresses,
    clock: systemClock,
  });
  onTestFinished(() => fetching.close());
  return {
    origin: target.origin,
    guarded: fetching.fetch(new AbortController().signal),
    async connect() {
      const dispatcher = await createDispatcher({ server: 'far', tls: NO_TLS, lookup: addresses.lookup });
      onTestFinished(() => dispatcher.destroy());
      const { statusCode } = await dispatcher.request({ origin: target.origin, path: '/mcp', method: 'GET' });
      expect(statusCode).toBe(200);
    },
  };
}

async function startVictim() {
  const paths: (string | undefined)[] = [];
  const http = createServer(({ url }, response) => {
    paths.push(url);
    response.end('{}');
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    http.closeAllConnections();
    http.close();
  });
  return { origin: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, paths };
}
