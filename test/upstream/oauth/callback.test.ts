import { createServer } from 'node:net';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { startAuthorizationServer } from '../../support/authorization-server.ts';
import { createDirectory, freePort, look, setUp } from './user.ts';

/** A port that somebody else has. */
async function takePort(): Promise<number> {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void taken.close());
  const address = taken.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('the browser comes back', () => {
  it('to the port and the host of the settings', async () => {
    const server = await startAuthorizationServer();
    const callbackPort = await freePort();
    const { request } = await setUp(server.url, { oauth: { callbackPort, callbackHost: 'localhost' } });

    expect(await request()).toBe(200);
    expect(server.to('/authorize')[0]?.params.get('redirect_uri')).toBe(
      `http://localhost:${callbackPort}/callback`,
    );
  });

  it('to another port when that is taken', async () => {
    const server = await startAuthorizationServer();
    const callbackPort = await takePort();
    const { request } = await setUp(server.url, { oauth: { callbackPort } });

    expect(await request()).toBe(200);
    const redirectUri = new URL(server.to('/authorize')[0]?.params.get('redirect_uri') ?? '');
    expect(Number(redirectUri.port)).not.toBe(callbackPort);
    expect(server.to('/register')[0]?.body['redirect_uris']).toEqual([redirectUri.href]);
  });

  it('by way of $BROWSER, and the URL is logged besides', async () => {
    const server = await startAuthorizationServer();
    const directory = await createDirectory();
    const browser = join(directory, 'browser');
    await writeFile(browser, `#!${process.execPath}\nfetch(process.argv[3]).then((it) => it.text());\n`);
    await chmod(browser, 0o700);
    vi.stubEnv('BROWSER', `/nowhere/browser:${browser} --url %s`);
    const { request, log } = await setUp(server.url, { oauth: { browser: true }, visit: () => {} });

    expect(await request()).toBe(200);
    expect(log.of('oauth.authorize')).toMatchObject([
      { level: 'warn', text: expect.stringContaining(`${server.origin}/authorize?`) },
    ]);
  });

  it('to a page that nobody keeps, and that shows what came as text', async () => {
    const server = await startAuthorizationServer({
      callback: { code: '', error: 'access_denied', error_description: '<script>alert(1)</script>' },
    });
    const answers: Response[] = [];
    const { request } = await setUp(server.url, {
      visit: async (url) => void answers.push(await fetch(url)),
    });
    await expect(request()).rejects.toThrow('<script>');

    const [answer] = answers;
    expect(answer?.headers.get('cache-control')).toBe('no-store');
    expect(answer?.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await answer?.text()).not.toContain('<script>');
  });
});

describe('what the browser brings back', () => {
  it.each([
    ['from another issuer', { iss: 'https://evil.example' }, {}],
    [
      'from nobody who says so, though it should',
      {},
      { authorization_response_iss_parameter_supported: true },
    ],
    ['from almost the same issuer', { iss: 'ORIGIN/' }, {}],
    [
      'from another issuer as an error',
      { iss: 'https://evil.example', code: '', error: 'call_this_number' },
      {},
    ],
  ])('%s is refused, and not shown', async (_, callback, metadata) => {
    const server = await startAuthorizationServer({ metadata });
    server.rules.callback = Object.fromEntries(
      Object.entries(callback).map(([name, value]) => [name, value.replace('ORIGIN', server.origin)]),
    );
    const { request, pages } = await setUp(server.url);
    const error: unknown = await request().catch((caught: unknown) => caught);

    expect(error).toMatchObject({
      code: 'AUTHORIZATION_FAILED',
      message: expect.stringContaining('RFC 9207'),
    });
    expect(String(error)).not.toMatch(/evil|call_this/);
    expect(JSON.stringify(pages)).not.toMatch(/evil|call_this/);
    expect(server.to('/token')).toEqual([]);
  });

  it('from the issuer that was asked is taken', async () => {
    const server = await startAuthorizationServer({
      metadata: { authorization_response_iss_parameter_supported: true },
    });
    server.rules.callback = { iss: server.origin };
    const { request } = await setUp(server.url);

    expect(await request()).toBe(200);
  });

  it('without a code is an error', async () => {
    const server = await startAuthorizationServer({ callback: { code: '' } });
    const { request } = await setUp(server.url);

    await expect(request()).rejects.toThrow('without a code');
  });
});

describe('a user who has been asked in vain', () => {
  it('is asked again by nobody for a while, but by one who interactive', async () => {
    const server = await startAuthorizationServer({ callback: { code: '', error: 'access_denied' } });
    const first = await setUp(server.url);
    await expect(first.request()).rejects.toThrow('access_denied');
    const { storeDirectory } = first;
    const second = await setUp(server.url, { oauth: { storeDirectory } });
    await expect(second.request()).rejects.toThrow('access_denied');
    expect(second.pages).toEqual([]);

    server.rules.callback = {};
    const third = await setUp(server.url, { oauth: { storeDirectory }, interactive: true });
    expect(await third.request()).toBe(200);
    expect(await second.request()).toBe(200);
  });

  it('is asked by one at a time', async () => {
    const server = await startAuthorizationServer();
    const storeDirectory = await createDirectory();
    const setups = await Promise.all(
      [1, 2, 3, 4].map(() => setUp(server.url, { oauth: { storeDirectory } })),
    );

    expect(await Promise.all(setups.map(({ request }) => request()))).toEqual([200, 200, 200, 200]);
    expect(setups.flatMap(({ pages }) => pages)).toHaveLength(1);
  });

  it('is not waited for when the connection is closed', async () => {
    const server = await startAuthorizationServer();
    let asked: (url: string) => void = () => {};
    const url = new Promise<string>((resolve) => (asked = resolve));
    const { request, authorization } = await setUp(server.url, { visit: asked });
    const end = request().catch(({ code }) => code);
    const callback = new URL(await url).searchParams.get('redirect_uri') ?? '';
    await authorization.close();

    expect(await end).toBe('UPSTREAM_CLOSED');
    await expect(look(callback)).rejects.toThrow();
  });
});
