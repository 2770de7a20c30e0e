import { createHash } from 'node:crypto';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { createAuthenticate } from '../../../src/downstream/http/admit/authenticate.ts';

const digestOf = (token: string): Buffer => createHash('sha256').update(token).digest();

function requestWith(token?: string): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  if (token !== undefined) request.headers.authorization = `Bearer ${token}`;
  return request;
}

test('a token has one principal, whose id names the token by its digest and which claims nothing', () => {
  const authenticate = createAuthenticate(['one', 'two'].map(digestOf));
  const principal = authenticate(requestWith('one'));
  expect(principal).toEqual({ id: `token:${digestOf('one').toString('hex', 0, 6)}`, claims: {} });
  expect(authenticate(requestWith('one'))).toBe(principal);
  expect(authenticate(requestWith('two')).id).not.toBe(principal.id);
});

test('all clients of a listener without tokens have one principal', () => {
  const authenticate = createAuthenticate([]);
  const principal = authenticate(requestWith());
  expect(principal).toEqual({ id: 'local', claims: {} });
  expect(authenticate(requestWith('any'))).toBe(principal);
});
