/** HTTP+SSE as a browser sees it: an EventSource and a POST for each message. */
import { EventSource } from 'eventsource';
import { expect, onTestFinished, test } from 'vitest';
import { CLIENT_INFO } from '../support/clients.ts';
import { post } from '../support/http.ts';
import { at, json, textOf, type Json } from '../support/json.ts';
import { serve, startMcpRun } from '../support/mcp-run.ts';
import { fixtureServer } from '../support/paths.ts';

test('an EventSource gets its endpoint first, then every message, and POSTs are answered with 202', async () => {
  const { url } = await startMcpRun(serve(['--sse'], fixtureServer('behaviours')));
  const stream = await openStream(`${url}/sse`);
  expect(stream.events[0]?.type).toBe('endpoint');

  const accepted = await post(
    stream.endpoint,
    request(1, 'initialize', { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: CLIENT_INFO }),
  );
  expect(accepted.status).toBe(202);
  expect(at(await stream.message(1), 'result', 'protocolVersion')).toBe('2024-11-05');
  await post(stream.endpoint, { jsonrpc: '2.0', method: 'notifications/initialized' });

  const params = { name: 'burst', arguments: { count: 1_000 }, _meta: { progressToken: 'p' } };
  await post(stream.endpoint, request('two', 'tools/call', params));
  expect(textOf((await stream.message('two'))['result'])).toBe('sent 1000');
  // endpoint, the answer to initialize, 1,000 notifications, the result
  expect(stream.events).toHaveLength(1_003);
});

test('two EventSources get an endpoint and a conversation each', async () => {
  const { url } = await startMcpRun(serve(['--sse'], fixtureServer('behaviours')));
  const [one, two] = await Promise.all([openStream(`${url}/sse`), openStream(`${url}/sse`)]);
  expect(one.endpoint).not.toBe(two.endpoint);

  const initialize = request(1, 'initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: CLIENT_INFO,
  });
  await Promise.all([post(one.endpoint, initialize), post(two.endpoint, initialize)]);
  await Promise.all([one.message(1), two.message(1)]);
  const echo = (to: string): Json => request(2, 'tools/call', { name: 'echo', arguments: { to } });
  await Promise.all([post(one.endpoint, echo('one')), post(two.endpoint, echo('two'))]);
  expect(textOf((await one.message(2))['result'])).toBe('{"to":"one"}');
  expect(textOf((await two.message(2))['result'])).toBe('{"to":"two"}');
  expect([one.events.length, two.events.length]).toEqual([3, 3]);
});

function request(id: string | number, method: string, params: Json): Json {
  return { jsonrpc: '2.0', id, method, params };
}

interface Stream {
  /** Absolute. */
  readonly endpoint: string;
  readonly events: readonly MessageEvent[];
  /** The answer to `id`. */
  message(id: string | number): Promise<Json>;
}

async function openStream(url: string): Promise<Stream> {
  const source = new EventSource(url);
  onTestFinished(() => source.close());
  const events: MessageEvent[] = [];
  const watchers = new Set<() => void>();
  for (const type of ['endpoint', 'message']) {
    source.addEventListener(type, (event) => {
      events.push(event);
      watchers.forEach((watch) => watch());
    });
  }
  const first = await arrival(() => events[0]);
  return {
    endpoint: new URL(String(first.data), url).href,
    events,
    message: (id) =>
      arrival(() =>
        events
          .slice(1)
          .map(parse)
          .find((message) => message['id'] === id),
      ),
  };

  function arrival<T>(find: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      source.addEventListener('error', ({ message }) => reject(new Error(`${url}: ${message}`)));
      const watch = (): void => {
        const found = find();
        if (found === undefined) return;
        watchers.delete(watch);
        resolve(found);
      };
      watchers.add(watch);
      watch();
    });
  }
}

function parse({ data }: MessageEvent): Json {
  return json(JSON.parse(String(data)));
}
