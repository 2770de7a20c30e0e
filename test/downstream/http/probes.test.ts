/** What the probes of an orchestrator are answered, and what other clients learn from them. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { send } from '../../support/http.ts';
import { expectFault, listen } from './listener.ts';

const TOKEN = 'alice-0123456789abcdef0123456789';
const TOKENS = [createHash('sha256').update(TOKEN).digest()];
const BROKEN = {
  codes: ['crash loop', 'backoff'],
  servers: { 'secret-name': 'crash-loop', other: 'backoff' },
  problems: { 'secret-name': 'crash-loop: exit code 7', other: 'backoff: exit code 8' },
};
const readiness = () => BROKEN;

describe('/readyz', () => {
  it('answers codes to an anonymous client, with and without tokens', async () => {
    for (const tokens of [[], TOKENS]) {
      const { url } = await listen({ tokens, readiness });
      for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: 'Basic x' }]) {
        expect(await send(`${url}/readyz`, { headers })).toMatchObject({
          status: 503,
          text: '{"status":"not ready","reasons":["crash loop","backoff"]}',
        });
      }
    }
  });

  it('answers nothing but its status where all servers can be used', async () => {
    const { url } = await listen();
    expect(await send(`${url}/readyz`)).toMatchObject({ status: 200, text: '{"status":"ready"}' });
  });

  it('names the servers to a client with a token', async () => {
    const { url } = await listen({ tokens: TOKENS, readiness });
    const authorization = `Bearer ${TOKEN}`;
    const answer = await send(`${url}/readyz`, { headers: { authorization } });
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.text)).toEqual({
      status: 'not ready',
      reasons: BROKEN.codes,
      servers: BROKEN.servers,
      problems: BROKEN.problems,
    });
    // A host that only probes may name.
    const headers = { authorization, host: '10.0.0.7:3000' };
    expect((await send(`${url}/readyz`, { headers })).text).not.toContain('secret-name');
  });

  it.each([
    '10.0.0.7:3000',
    '10.255.255.255',
    '172.16.0.1:80',
    '172.31.9.9',
    '192.168.1.1',
    '[fd00::7]:3000',
    '[fc00::1]',
    '[FDFF:ffff::1]',
    'localhost:3000',
    '127.0.0.1',
  ])('is answered by the Host %s', async (host) => {
    const { url } = await listen();
    expect((await send(`${url}/readyz`, { headers: { host } })).status).toBe(200);
  });

  it.each([
    'evil.example',
    '169.254.169.254',
    '[fe80::1]',
    '[febf::1]',
    '[fe00::1]',
    '[fd::1]',
    '[::ffff:10.0.0.7]',
    '8.8.8.8',
    '172.15.0.1',
    '172.32.0.1',
    '192.169.0.1',
    '100.64.0.1',
    '10.0.0.7.evil.example',
    '10.0.0',
    '010.0.0.7',
    '10.0.0.256',
    'fd00.evil.example',
    'fd00',
    '[2001:db8::1]',
    'user@10.0.0.7',
    '10.0.0.7,evil.example',
    '10.0.0.7 evil.example',
  ])('is refused for the Host %s', async (host) => {
    const { url } = await listen();
    expectFault(await send(`${url}/readyz`, { headers: { host } }), { status: 403, code: -32_600 });
  });

  it('is refused for a page of another site', async () => {
    const { url } = await listen();
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' },
      { 'sec-fetch-site': 'same-site' },
      { host: '10.0.0.7', origin: 'http://10.0.0.7' },
    ]) {
      expectFault(await send(`${url}/readyz`, { headers }), { status: 403, code: -32_600 });
    }
  });

  it('does not make MCP answer by such a Host', async () => {
    const { url } = await listen();
    for (const path of ['/mcp', '/sse', '/nowhere']) {
      const answer = await send(url + path, { headers: { host: '10.0.0.7:3000', accept: '*/*' } });
      expectFault(answer, { status: 403, code: -32_600 });
    }
  });
});
