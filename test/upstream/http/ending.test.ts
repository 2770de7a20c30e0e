import { expect, it } from 'vitest';
import { openRemote, openServer } from './remote.ts';
import { answerTo, nameOf, type Call } from './scripted-server.ts';

it('ends the request of a call that the client cancels, and tells the server', async () => {
  const server = await openServer({ 'tools/call': () => {} });
  const remote = await openRemote(server.url);
  await remote.initialize();
  remote.send({ id: 'call', method: 'tools/call', params: { name: 'x' } });
  const call = await server.waitFor((one) => nameOf(one) === 'tools/call');
  remote.notify('notifications/cancelled', { requestId: 'call', reason: 'no' });
  await call.closed;
  const told = await server.waitFor((one) => nameOf(one) === 'notifications/cancelled');
  expect(told.message['params']).toEqual({ requestId: 'call', reason: 'no' });
  expect(await remote.request('ping')).toHaveProperty('result');
  expect(remote.answersTo('call')).toEqual([]);
});

it('ends the request also where the server answers nothing at all', async () => {
  const server = await openServer({
    'tools/call': () => {},
    'notifications/cancelled': () => {},
    'notifications/progress': () => {},
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  remote.notify('notifications/progress', { progressToken: 1, progress: 1 });
  remote.send({ id: 'call', method: 'tools/call', params: { name: 'x' } });
  const call = await server.waitFor((one) => nameOf(one) === 'tools/call');
  remote.notify('notifications/cancelled', { requestId: 'call' });
  await call.closed;
});

it('ends what is under way when it is closed', async () => {
  const held: Call[] = [];
  const hold = (call: Call): void => void held.push(call);
  const server = await openServer({
    silent: hold,
    'notifications/progress': hold,
    GET(call) {
      hold(call);
      call.stream();
    },
    streaming(call) {
      hold(call);
      call.stream().event({ jsonrpc: '2.0', method: 'notifications/x' });
    },
    body(call) {
      hold(call);
      call.response.writeHead(200, { 'content-type': 'application/json' });
      call.response.write('{"jsonrpc"');
    },
    lingering(call) {
      hold(call);
      call.stream().event(answerTo(call));
    },
    'notifications/strange'(call) {
      hold(call);
      call.stream();
    },
  });
  const remote = await openRemote(server.url);
  await remote.initialize();
  await remote.request('lingering');
  for (const method of ['silent', 'streaming', 'body']) remote.send({ id: method, method });
  remote.notify('notifications/strange');
  remote.notify('notifications/progress', { progressToken: 1, progress: 1 });
  await server.waitFor(() => held.length === 7);
  await remote.waitFor(({ relatedRequestId }) => relatedRequestId === 'streaming');
  await remote.link.close();
  await Promise.all(held.map(({ closed }) => closed));
  expect(await remote.closed).toMatchObject({ code: 'UPSTREAM_CLOSED' });
  expect(server.of('DELETE')).toHaveLength(1);
  expect(remote.received.filter(({ frame }) => frame.kind === 'response')).toHaveLength(2);
});

it('closes while a session is being begun', async () => {
  const server = await openServer({ initialize: () => {} });
  const remote = await openRemote(server.url, { patienceMs: 60_000 });
  remote.send({ id: 0, method: 'initialize', params: {} });
  remote.send({ id: 1, method: 'ping' });
  const call = await server.waitFor((one) => nameOf(one) === 'initialize');
  await remote.link.close();
  await call.closed;
  expect(server.calls).toHaveLength(1);
});

it('closes while it waits for a server to start', async () => {
  const server = await openServer();
  await server.stop();
  const remote = await openRemote(server.url, { patienceMs: 60_000 });
  remote.send({ id: 0, method: 'initialize', params: {} });
  while (remote.log.of('remote.waiting').length === 0) await new Promise(setImmediate);
  await remote.link.close();
  expect(await remote.closed).toMatchObject({ code: 'UPSTREAM_CLOSED' });
  await server.listen();
  expect(server.calls).toEqual([]);
});

it('closes without waiting for a server that does not take note', async () => {
  const server = await openServer({ DELETE: () => {} });
  const remote = await openRemote(server.url);
  await remote.initialize();
  await remote.link.close();
  await server.of('DELETE')[0]?.closed;
  remote.send({ id: 'late', method: 'ping' });
  expect(server.of('ping')).toEqual([]);
});

it('closes before anything was sent, and twice', async () => {
  const server = await openServer();
  const remote = await openRemote(server.url);
  await Promise.all([remote.link.close(), remote.link.close()]);
  expect(server.connections).toBe(0);
});
