import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { openDispatcher } from '../../../src/upstream/http/dispatcher.ts';
import {
  HttpCall,
  readAll,
  type CallOptions,
  type HttpDispatcher,
  type HttpResponse,
} from '../../../src/upstream/http/http-call.ts';
import { createSwitchingDispatcher } from '../../../src/upstream/http/switching-dispatcher.ts';
import { openScriptedServer } from './scripted-server.ts';

const REQUEST: CallOptions = { origin: 'http://far', path: '/', method: 'GET', headers: {} };

function counting(): HttpDispatcher & { count: number } {
  return {
    count: 0,
    dispatch() {
      this.count += 1;
    },
  };
}

function send(dispatcher: HttpDispatcher, times: number): void {
  for (let count = 0; count < times; count += 1) dispatcher.dispatch(REQUEST, new HttpCall(() => {}));
}

it('the first requests load nothing, and those after them go the better way', async () => {
  const [first, better] = [counting(), counting()];
  let loads = 0;
  const dispatcher = createSwitchingDispatcher(
    first,
    async () => {
      loads += 1;
      return better;
    },
    3,
  );
  send(dispatcher, 2);
  expect({ loads, first: first.count }).toEqual({ loads: 0, first: 2 });
  // The last of these find it being loaded.
  send(dispatcher, 3);
  expect({ loads, first: first.count }).toEqual({ loads: 1, first: 5 });
  await turn();
  send(dispatcher, 4);
  expect({ loads, first: first.count, better: better.count }).toEqual({ loads: 1, first: 5, better: 4 });
});

it('the first way stays when the better one cannot be loaded', async () => {
  const first = counting();
  const dispatcher = createSwitchingDispatcher(first, () => Promise.reject(new Error('not there')), 1);
  send(dispatcher, 1);
  await turn();
  send(dispatcher, 2);
  expect(first.count).toBe(3);
});

it('the first way stays for a server that undici does not understand', async () => {
  const server = await openScriptedServer((call) => {
    call.response.writeContinue();
    call.status(200);
  });
  const tls = { caFile: undefined, certFile: undefined, keyFile: undefined };
  const dispatcher = await openDispatcher(new URL(server.url), {
    server: 'far',
    tls,
    env: {},
    clock: systemClock,
  });
  const url = new URL(server.url);
  const statuses = new Set<number>();
  for (let count = 0; count < 250; count += 1) {
    const response = await new Promise<HttpResponse | Error>((resolve) => {
      new HttpCall(resolve).start(dispatcher, { method: 'POST', url, headers: {}, body: Buffer.from('{}') });
    });
    if (response instanceof Error) throw response;
    statuses.add(response.status);
    await readAll(response, 0);
  }
  expect([...statuses]).toEqual([200]);
});
