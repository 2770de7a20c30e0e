import { describe, expect, test } from 'vitest';
import { META } from '../../src/protocol/constants.ts';
import {
  acknowledgement,
  filterOf,
  filterToJson,
  honouredFilter,
  isEmptyFilter,
  listenResult,
  readFilter,
  stamped,
  wants,
  withoutSubscriptionId,
  type Filter,
} from '../../src/era/listen.ts';

const NOTHING: Filter = {
  toolsListChanged: false,
  promptsListChanged: false,
  resourcesListChanged: false,
  resourceSubscriptions: [],
};

describe('readFilter', () => {
  test('reads the members that it knows, and each resource once', () => {
    const notifications = {
      toolsListChanged: true,
      promptsListChanged: 'yes',
      taskIds: ['t'],
      resourceSubscriptions: ['a://1', 'a://1'],
    };
    expect(readFilter({ notifications })).toEqual({
      ...NOTHING,
      toolsListChanged: true,
      resourceSubscriptions: ['a://1'],
    });
  });
  test.each([
    {},
    { notifications: null },
    { notifications: [] },
    { notifications: { resourceSubscriptions: 'a://1' } },
    { notifications: { resourceSubscriptions: [7] } },
  ])('refuses %j', (params) => expect(readFilter(params)).toBeUndefined());
});

test('a server honours the notifications that it offers', () => {
  const all: Filter = {
    toolsListChanged: true,
    promptsListChanged: true,
    resourcesListChanged: true,
    resourceSubscriptions: ['a://1'],
  };
  expect(honouredFilter(all, {})).toEqual(NOTHING);
  expect(isEmptyFilter(honouredFilter(all, {}))).toBe(true);
  const offered = { tools: { listChanged: true }, prompts: {}, resources: { subscribe: true } };
  const honoured = honouredFilter(all, offered);
  expect(filterToJson(honoured)).toEqual({ toolsListChanged: true, resourceSubscriptions: ['a://1'] });
  expect(filterOf(offered, ['a://1'])).toEqual(honoured);
  expect(honouredFilter(NOTHING, offered)).toEqual(NOTHING);
});

describe('wants', () => {
  const filter = { ...NOTHING, promptsListChanged: true, resourceSubscriptions: ['a://x', 'b://y/'] };
  test.each([
    ['notifications/prompts/list_changed', undefined, true],
    ['notifications/tools/list_changed', undefined, false],
    ['notifications/resources/updated', 'a://x', true],
    ['notifications/resources/updated', 'a://x/part', true],
    ['notifications/resources/updated', 'a://xx', false],
    ['notifications/resources/updated', 'b://y/part', true],
    ['notifications/resources/updated', 'a://x/../y', true],
    ['notifications/resources/updated', 'b://y/../z/part', true],
    ['notifications/resources/updated', 'a://z/x/part', false],
    ['notifications/resources/updated', undefined, false],
    ['notifications/message', 'a://x', false],
  ])('%s of %s: %s', (method, uri, expected) => {
    expect(wants(filter, { jsonrpc: '2.0', method, params: { uri } })).toBe(expected);
  });
});

test('messages of a subscription have its id, which is removed for a legacy client', () => {
  const plain = { jsonrpc: '2.0', method: 'notifications/tools/list_changed' } as const;
  const marked = stamped(plain, 'id');
  expect(marked).toEqual({ ...plain, params: { _meta: { [META.subscriptionId]: 'id' } } });
  expect(withoutSubscriptionId(marked)).toEqual(plain);
  const detailed = { ...plain, params: { uri: 'a://1', _meta: { kept: 1 } } };
  expect(withoutSubscriptionId(stamped(detailed, 0))).toEqual(detailed);
  expect(withoutSubscriptionId(plain)).toBe(plain);
});

test('a subscription begins with an acknowledgement and ends with a result', () => {
  expect(acknowledgement(1, { ...NOTHING, toolsListChanged: true })).toEqual({
    jsonrpc: '2.0',
    method: 'notifications/subscriptions/acknowledged',
    params: { _meta: { [META.subscriptionId]: 1 }, notifications: { toolsListChanged: true } },
  });
  expect(listenResult(1, { name: 's' })).toEqual({
    resultType: 'complete',
    _meta: { [META.subscriptionId]: 1, [META.serverInfo]: { name: 's' } },
  });
});
