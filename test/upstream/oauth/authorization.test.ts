import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startAuthorizationServer } from '../../support/authorization-server.ts';
import { look, setUp } from './user.ts';

describe('a server that wants authorization', () => {
  it('gets a token that the user has consented to', async () => {
    const server = await startAuthorizationServer();
    const { request, pages, authorization, log } = await setUp(server.url);

    expect(await request()).toBe(200);
    expect(pages).toMatchObject([{ status: 200, text: expect.stringContaining('Authorized') }]);
    const [asked] = server.to('/authorize');
    expect(asked?.params.get('code_challenge_method')).toBe('S256');
    expect(asked?.params.get('resource')).toBe(server.url);
    expect(asked?.params.get('redirect_uri')).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback$/);
    expect(server.to('/token')[0]?.params.get('resource')).toBe(server.url);
    const header = await authorization.header(() => new AbortController().signal);
    expect(JSON.stringify(log.entries)).not.toContain(header?.slice('Bearer '.length));
  });

  it('asks the user once for requests of the same moment', async () => {
    const server = await startAuthorizationServer();
    const { request, pages } = await setUp(server.url);

    expect(await Promise.all([request(), request(), request(), request()])).toEqual([200, 200, 200, 200]);
    expect(pages).toHaveLength(1);
  });

  it('finds what another process has stored', async () => {
    const server = await startAuthorizationServer();
    const first = await setUp(server.url);
    await first.request();
    const { storeDirectory } = first;
    const second = await setUp(server.url, { oauth: { storeDirectory } });

    expect(await second.request()).toBe(200);
    expect(server.to('/authorize')).toHaveLength(1);
    const [file = ''] = await readdir(storeDirectory);
    expect((await stat(join(storeDirectory, file))).mode & 0o777).toBe(0o600);
  });

  it('does not ask again at once when the user declines', async () => {
    const server = await startAuthorizationServer({ callback: { code: '', error: 'access_denied' } });
    const { request, pages } = await setUp(server.url);
    const failed = { code: 'AUTHORIZATION_FAILED', message: expect.stringContaining('access_denied') };

    await expect(request()).rejects.toMatchObject(failed);
    await expect(request()).rejects.toMatchObject(failed);
    expect(pages).toMatchObject([{ status: 400, text: expect.stringContaining('access_denied') }]);
  });

  it('gives up when nobody comes back', async () => {
    const server = await startAuthorizationServer();
    const { request } = await setUp(server.url, { oauth: { timeoutMs: 50 }, visit: () => {} });

    await expect(request()).rejects.toMatchObject({
      code: 'AUTHORIZATION_FAILED',
      message: expect.stringContaining('nobody has come back'),
    });
  });

  it('is not taken in by a callback that nobody asked for', async () => {
    const server = await startAuthorizationServer();
    const forged: number[] = [];
    const { request } = await setUp(server.url, {
      async visit(url) {
        const callback = new URL(new URL(url).searchParams.get('redirect_uri') ?? '');
        for (const query of [
          '',
          '?code=stolen',
          '?code=stolen&state=guessed',
          '?error=access_denied&state=',
        ]) {
          forged.push((await look(`${callback.href}${query}`)).status);
        }
        await look(url);
      },
    });

    expect(await request()).toBe(200);
    expect(forged).toEqual([400, 400, 400, 400]);
  });
});
