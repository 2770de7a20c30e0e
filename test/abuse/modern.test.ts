/** Clients of revision 2026-07-28 without manners, beside others who share their servers with nobody, or with them. */
import { beforeAll, describe, expect, test } from 'vitest';
import { openSocket, post } from '../support/http.ts';
import { at, json, textOf, type Json } from '../support/json.ts';
import { measurable } from '../support/memory.ts';
import { connectModernPeer } from '../support/modern-peer.ts';
import { mirroredHeaders, modernRequest } from '../support/modern.ts';
import { fixtureServer } from '../support/paths.ts';
import type { Peer } from '../support/peer.ts';
import { call, expectEcho, faultOf, inTime, setUpHarness } from './harness.ts';

const MB = 1024 * 1024;
const QUESTION = {
  method: 'elicitation/create',
  params: { message: 'Name?', requestedSchema: { type: 'object', properties: {} } },
};

const memory = measurable();
const world = setUpHarness({ mortal: fixtureServer('behaviours') }, { env: memory.env });
const names = ['bystander', 'victim', 'abuser'] as const;

/** Each name is a client of its own, with a process of its own. */
function connect(name: (typeof names)[number], server = 'steady', capabilities: Json = {}): Peer {
  return connectModernPeer(world.url('http', server), { name, capabilities });
}

beforeAll(async () => {
  // Their processes stay: they are no orphans.
  for (const server of ['steady', 'mortal'])
    for (const name of names) {
      await expectEcho(connect(name, server));
      await expectEcho(connect(name, server, { elicitation: {} }));
    }
  world.adopt();
});

/** Runs `act` while another client's calls go on. */
async function survives(act: () => Promise<void>): Promise<void> {
  const bystander = connect('bystander');
  await world.survives(async () => {
    let over = false;
    const calls = (async () => {
      for (let count = 0; !over; count += 1) await expectEcho(bystander, { count });
    })();
    calls.catch(() => {});
    await act().finally(() => (over = true));
    await calls;
  });
  expect(bystander.strays).toEqual([]);
}

async function serverOf(name: (typeof names)[number]): Promise<number> {
  const { message } = await call(connect(name), 'process');
  return Number(at(message, 'result', 'structuredContent', 'pid'));
}

/** Three times as much takes no more memory. The more of two rounds counts: one may be looked at too early. */
async function expectBounded(heldFor: (count: number) => Promise<number>, count: number): Promise<void> {
  const held = Math.max(await heldFor(count), await heldFor(count));
  expect(await heldFor(3 * count)).toBeLessThan(1.2 * held);
}

/** A request as it is on the wire. */
function rawCall(id: number, name: string, args: Json): string {
  const message = modernRequest('tools/call', id, {
    name,
    arguments: args,
    _meta: { 'io.modelcontextprotocol/clientInfo': { name: 'abuser', version: '1' } },
  });
  const body = JSON.stringify(message);
  const headers = Object.entries({
    host: 'localhost',
    'content-type': 'application/json',
    'content-length': String(body.length),
    ...mirroredHeaders(message),
  }).map(([header, value]) => `${header}: ${value}\r\n`);
  return `POST /steady/mcp HTTP/1.1\r\n${headers.join('')}\r\n${body}`;
}

test('hundreds that vanish in the middle of a call are all cancelled', async () => {
  await survives(async () => {
    const abuser = connect('abuser');
    for (let n = 0; n < 200; n += 1) {
      const peer = connect('abuser');
      const waiting = call(peer, n % 2 === 0 ? 'never' : 'wait');
      waiting.catch(() => {});
      if (n % 3 === 0) await expectEcho(peer);
      peer.drop();
    }
    await expectEcho(abuser);
  });
});

test('one that never reads is no burden to the others', async () => {
  await survives(async () => {
    const server = await serverOf('abuser');
    const heldFor = async (answers: number): Promise<number> => {
      const abuser = connect('abuser');
      abuser.pause();
      for (let n = 0; n < answers; n += 1) call(abuser, 'large', { bytes: 8 * MB }, n).catch(() => {});
      call(abuser, 'burst', { count: 200_000 }).catch(() => {});
      const held = await memory.heldMb(world.gateway.pid, [server]);
      abuser.drop();
      return held;
    };
    await expectBounded(heldFor, 24);
  });
});

test('hundreds of questions that nobody answers leave the others their answers', async () => {
  await survives(async () => {
    const abuser = connect('abuser', 'steady', { elicitation: {} });
    // Over stdio nothing tells which of the calls a question belongs to: some get several, and others none.
    const asking = Array.from({ length: 100 }, () => call(abuser, 'ask', QUESTION));
    for (const one of asking) one.catch(() => {});
    // What is more than a client is asked at once is refused, and may end a call before that.
    const asked = asking.map(async (one) => {
      const { message } = await one;
      if (at(message, 'result', 'resultType') !== 'input_required') throw new Error('answered');
    });
    await inTime(Promise.any(asked), 'the first question');
    // Any other tool call of the same client may be taken for the one that asks.
    const listed = await inTime(abuser.request('tools/list'), 'the list');
    expect(at(listed.message, 'result', 'tools')).toBeDefined();
    const victim = connectModernPeer(world.url('http'), {
      name: 'victim',
      capabilities: { elicitation: {} },
      answer: () => ({ result: { action: 'decline' } }),
    });
    const { message } = await inTime(call(victim, 'ask', QUESTION), 'the answer');
    expect(at(message, 'result', 'structuredContent', 'result')).toEqual({ action: 'decline' });
  });
});

describe('a request state', () => {
  const capabilities = { elicitation: {} };
  const inputResponses = (requests: unknown): Json =>
    Object.fromEntries(Object.keys(json(requests)).map((key) => [key, { action: 'accept', content: {} }]));

  async function park(): Promise<{ params: Json; state: string; responses: Json }> {
    const params = { name: 'ask', arguments: QUESTION };
    const { message } = await connect('victim', 'steady', capabilities).request('tools/call', params);
    const { requestState, inputRequests } = json(message['result']);
    return { params, state: String(requestState), responses: inputResponses(inputRequests) };
  }

  test('is good for its client once, and for nobody else', async () => {
    await survives(async () => {
      const { params, state, responses } = await park();
      const retry = (
        requestState: unknown,
        name: (typeof names)[number] = 'victim',
        changed: Json = {},
      ): ReturnType<Peer['request']> =>
        connect(name, 'steady', capabilities).request('tools/call', {
          ...params,
          inputResponses: responses,
          requestState,
          ...changed,
        });
      const flipped = state.slice(0, -2) + (state.endsWith('A') ? 'BB' : 'AA');
      for (const forged of ['', 'x', flipped, state.slice(0, -4), `${state}AAAA`, 'm1.', 7, null, {}, []])
        expect(faultOf((await retry(forged)).message).code, String(forged)).toBe(-32_602);
      expect(faultOf((await retry(state, 'abuser')).message).code).toBe(-32_602);
      const other = { arguments: { ...QUESTION, more: true } };
      expect(faultOf((await retry(state, 'victim', other)).message).code).toBe(-32_602);
      expect(faultOf((await retry(state, 'victim', { name: 'echo' })).message).code).toBe(-32_602);

      const { message } = await retry(state);
      expect(at(message, 'result', 'structuredContent', 'result', 'action')).toBe('accept');
      expect(faultOf((await retry(state)).message).code).toBe(-32_602);
    });
  });

  test('is answered with what became of the server', async () => {
    await survives(async () => {
      const asking = connect('victim', 'mortal', capabilities);
      const params = { name: 'ask', arguments: QUESTION };
      const { message } = await asking.request('tools/call', params);
      const { requestState, inputRequests } = json(message['result']);
      await call(asking, 'kill');
      const retried = await asking.request('tools/call', {
        ...params,
        requestState,
        inputResponses: inputResponses(inputRequests),
      });
      expect(faultOf(retried.message).code).toBe(-32_603);
      await expectEcho(asking);
      world.adopt();
    });
  });
});

test('200 subscriptions that come and go leave none behind', async () => {
  await survives(async () => {
    const abuser = connect('abuser');
    const notifications = { toolsListChanged: true, resourceSubscriptions: ['fixture://watched'] };
    const listeners = Array.from({ length: 50 }, () => connect('abuser'));
    for (let round = 0; round < 4; round += 1) {
      const listening = listeners.map((peer, n) =>
        peer.request('subscriptions/listen', { notifications }, `${round}/${n}`),
      );
      for (const one of listening) one.catch(() => {});
      await expectEcho(abuser);
      await Promise.all(listeners.map((peer, n) => peer.cancel(`${round}/${n}`)));
    }
    await expect
      .poll(async () =>
        at((await call(abuser, 'subscribed')).message, 'result', 'structuredContent', 'count'),
      )
      .toBe(0);
  });
});

test('everybody who waits for a server that dies is told, and served by the next one', async () => {
  await survives(async () => {
    const victim = connect('victim', 'mortal');
    const waiting = Array.from({ length: 20 }, (_, n) => call(victim, 'never', {}, `n${n}`));
    await expectEcho(victim);
    const killed = await Promise.all([...waiting, call(victim, 'kill')]);
    for (const { message, status } of killed)
      expect({ status, ...faultOf(message) }).toEqual({
        status: 200,
        code: -32_603,
        reason: 'upstream_exited',
      });
    await expectEcho(victim);
    world.adopt();
  });
});

test('one connection that asks for much and reads nothing is bounded', async () => {
  await survives(async () => {
    const server = await serverOf('abuser');
    const heldFor = async (answers: number): Promise<number> => {
      const socket = await openSocket(world.gateway.url);
      socket.pause();
      for (let id = 0; id < answers; id += 1) socket.write(rawCall(id, 'large', { bytes: 2 * MB }));
      const held = await memory.heldMb(world.gateway.pid, [server]);
      socket.resetAndDestroy();
      return held;
    };
    await expectBounded(heldFor, 60);
  });
});

test('100,000 levels of anything anywhere in a request are the trouble of nobody else', async () => {
  await survives(async () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    const hole = '"HOLE"';
    const messages = [
      modernRequest('tools/call', 1, { name: 'echo', arguments: { deep: 'HOLE' } }),
      modernRequest('tools/call', 1, { name: 'echo', inputResponses: 'HOLE', requestState: 'x' }),
      modernRequest('example.com/line', 1, { deep: 'HOLE' }),
      modernRequest('subscriptions/listen', 1, { notifications: 'HOLE' }),
      modernRequest('tools/list', 1, { _meta: { 'example.com/deep': 'HOLE' } }),
      modernRequest('tools/list', 1, { _meta: { progressToken: 'HOLE' } }),
      modernRequest('tools/list', 1, {
        _meta: { 'io.modelcontextprotocol/clientCapabilities': { experimental: { deep: 'HOLE' } } },
      }),
      modernRequest('tools/list', 1, {
        _meta: { 'io.modelcontextprotocol/clientInfo': { name: 'x', version: 'HOLE' } },
      }),
    ];
    for (const message of messages) {
      const text = JSON.stringify(message).replace(hole, deep);
      const { status } = await inTime(
        post(world.url('http'), text, mirroredHeaders(message)),
        String(message['method']),
      );
      expect(status).toBe(400);
    }
  });
});

test('a result is whole, however often its client was cut off before', async () => {
  await survives(async () => {
    const victim = connect('victim');
    for (let n = 0; n < 20; n += 1) {
      const leaving = connect('victim');
      call(leaving, 'large', { bytes: 2 * MB }).catch(() => {});
      const { message } = await call(victim, 'large', { bytes: 1_000 * (n + 1) });
      leaving.drop();
      expect(textOf(message['result'])).toHaveLength(1_000 * (n + 1));
    }
  });
});
