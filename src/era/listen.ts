import { META } from '../protocol/constants.ts';
import type { JsonRpcMessage, RequestId } from '../protocol/frame.ts';
import { isWithin, readResourceUri } from '../protocol/resource-uri.ts';
import { isJson, jsonOf, withMeta, without, type Json } from './json.ts';

/** The notifications that a `subscriptions/listen` requests (2026-07-28, basic/patterns/subscriptions, notification filter). */
export interface Filter {
  readonly toolsListChanged: boolean;
  readonly promptsListChanged: boolean;
  readonly resourcesListChanged: boolean;
  readonly resourceSubscriptions: readonly string[];
}

/** Notification → the part of a filter that lets it through. */
const LIST_CHANGES: ReadonlyMap<
  string | undefined,
  'toolsListChanged' | 'promptsListChanged' | 'resourcesListChanged'
> = new Map([
  ['notifications/tools/list_changed', 'toolsListChanged'],
  ['notifications/prompts/list_changed', 'promptsListChanged'],
  ['notifications/resources/list_changed', 'resourcesListChanged'],
]);
const UPDATED = 'notifications/resources/updated';

/** @returns undefined if the parameters hold no filter; unknown members of it are ignored */
export function readFilter(params: Json): Filter | undefined {
  const { notifications } = params;
  if (!isJson(notifications)) return undefined;
  const {
    toolsListChanged,
    promptsListChanged,
    resourcesListChanged,
    resourceSubscriptions = [],
  } = notifications;
  if (!Array.isArray(resourceSubscriptions) || !resourceSubscriptions.every(isText)) return undefined;
  return {
    toolsListChanged: toolsListChanged === true,
    promptsListChanged: promptsListChanged === true,
    resourcesListChanged: resourcesListChanged === true,
    resourceSubscriptions: [...new Set(resourceSubscriptions)],
  };
}

/** The part of a filter that a server with these capabilities can honour. */
export function honouredFilter(filter: Filter, serverCapabilities: Json): Filter {
  const offered = filterOf(serverCapabilities, filter.resourceSubscriptions);
  return {
    toolsListChanged: filter.toolsListChanged && offered.toolsListChanged,
    promptsListChanged: filter.promptsListChanged && offered.promptsListChanged,
    resourcesListChanged: filter.resourcesListChanged && offered.resourcesListChanged,
    resourceSubscriptions: offered.resourceSubscriptions,
  };
}

/** All notifications that a server with these capabilities sends, of resources those of `uris`. */
export function filterOf(serverCapabilities: Json, uris: readonly string[]): Filter {
  const { tools, prompts, resources } = serverCapabilities;
  return {
    toolsListChanged: jsonOf(tools)['listChanged'] === true,
    promptsListChanged: jsonOf(prompts)['listChanged'] === true,
    resourcesListChanged: jsonOf(resources)['listChanged'] === true,
    resourceSubscriptions: jsonOf(resources)['subscribe'] === true ? uris : [],
  };
}

/** As a member of a message: without the parts that are not requested. */
export function filterToJson(filter: Filter): Json {
  const entries = Object.entries(filter).filter(([, value]) =>
    Array.isArray(value) ? value.length > 0 : value,
  );
  return Object.fromEntries(entries);
}

export function isEmptyFilter(filter: Filter): boolean {
  return Object.keys(filterToJson(filter)).length === 0;
}

/** Whether a notification passes the filter. Its `uri` may be a part of a resource that the filter names. */
export function wants(filter: Filter, { method, params }: JsonRpcMessage): boolean {
  const change = LIST_CHANGES.get(method);
  if (change !== undefined) return filter[change];
  const uri = params?.['uri'];
  if (method !== UPDATED || typeof uri !== 'string') return false;
  const { resourceSubscriptions: wanted } = filter;
  if (wanted.length === 0 || wanted.includes(uri)) return wanted.length > 0;
  const updated = readResourceUri(uri);
  return wanted.some((whole) => isWithin(updated, readResourceUri(whole)));
}

/** The first message of a subscription. */
export function acknowledgement(subscriptionId: RequestId, filter: Filter): JsonRpcMessage {
  return {
    jsonrpc: '2.0',
    method: 'notifications/subscriptions/acknowledged',
    params: { _meta: { [META.subscriptionId]: subscriptionId }, notifications: filterToJson(filter) },
  };
}

/** A notification as one of a subscription. */
export function stamped(notification: JsonRpcMessage, subscriptionId: RequestId): JsonRpcMessage {
  const _meta = { ...jsonOf(notification.params?.['_meta']), [META.subscriptionId]: subscriptionId };
  return { ...notification, params: { ...notification.params, _meta } };
}

/** A notification of a subscription as one of a 2025 revision. */
export function withoutSubscriptionId(notification: JsonRpcMessage): JsonRpcMessage {
  const { params } = notification;
  if (params === undefined || !isJson(params['_meta'])) return notification;
  const rest = { ...withMeta(params, without(params['_meta'], META.subscriptionId)) };
  if (Object.keys(rest).length > 0) return { ...notification, params: rest };
  const { params: _params, ...bare } = notification;
  return bare;
}

/** The answer that ends a subscription in good order (graceful closure). */
export function listenResult(subscriptionId: RequestId, serverInfo: Json | undefined): Json {
  const info = serverInfo === undefined ? {} : { [META.serverInfo]: serverInfo };
  return { resultType: 'complete', _meta: { ...info, [META.subscriptionId]: subscriptionId } };
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
