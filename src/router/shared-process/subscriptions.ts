import { isSameResource, isWithin, readResourceUri, type ResourceUri } from '../../protocol/resource-uri.ts';

/** Which of several clients has subscribed to which resource of the child that they share. */
export interface Subscriptions<T> {
  add(uri: string, subscriber: T): void;
  /** The child has accepted it: no other client needs to ask for it again. */
  confirm(uri: string): void;
  isConfirmed(uri: string): boolean;
  /** @returns whether no subscriber is left, so that the child need not send updates any more */
  remove(uri: string, subscriber: T): boolean;
  /** @returns the resources that no subscriber is left for */
  removeAll(subscriber: T): string[];
  /**
   * The subscribers that an update is for: those of exactly this URI, in any spelling. Only if there are none, those of a
   * resource that it is a part of (schema: ResourceUpdatedNotification), since they would learn a URI that another client has subscribed to.
   */
  subscribersOf(uri: string): ReadonlySet<T>;
  /** Whether a client other than `subscriber` has a subscription. */
  hasOther(subscriber: T): boolean;
  /** Nothing is accepted any more, since the child is another one. @returns what has to be asked for again */
  renew(): string[];
}

interface Subscribed<T> {
  readonly uri: ResourceUri;
  readonly subscribers: Set<T>;
}

export function createSubscriptions<T>(): Subscriptions<T> {
  const byUri = new Map<string, Subscribed<T>>();
  const bySubscriber = new Map<T, Set<string>>();
  const confirmed = new Set<string>();

  return {
    add(uri, subscriber) {
      const known = byUri.get(uri);
      if (known === undefined)
        byUri.set(uri, { uri: readResourceUri(uri), subscribers: new Set([subscriber]) });
      else known.subscribers.add(subscriber);
      const uris = bySubscriber.get(subscriber);
      if (uris === undefined) bySubscriber.set(subscriber, new Set([uri]));
      else uris.add(uri);
    },
    confirm(uri) {
      // All may have unsubscribed meanwhile.
      if (byUri.has(uri)) confirmed.add(uri);
    },
    isConfirmed: (uri) => confirmed.has(uri),
    remove,
    removeAll: (subscriber) =>
      [...(bySubscriber.get(subscriber) ?? [])].filter((uri) => remove(uri, subscriber)),
    subscribersOf,
    hasOther: (subscriber) => bySubscriber.size > (bySubscriber.has(subscriber) ? 1 : 0),
    renew() {
      confirmed.clear();
      return [...byUri.keys()];
    },
  };

  function subscribersOf(text: string): Set<T> {
    if (byUri.size === 0) return new Set();
    const uri = readResourceUri(text);
    const same = subscribersWhere((whole) => isSameResource(uri, whole));
    return same.size > 0 ? same : subscribersWhere((whole) => isWithin(uri, whole));
  }

  function subscribersWhere(isMeant: (uri: ResourceUri) => boolean): Set<T> {
    const found = new Set<T>();
    for (const { uri, subscribers } of byUri.values()) {
      if (isMeant(uri)) for (const subscriber of subscribers) found.add(subscriber);
    }
    return found;
  }

  function remove(uri: string, subscriber: T): boolean {
    const uris = bySubscriber.get(subscriber);
    if (uris?.delete(uri) === true && uris.size === 0) bySubscriber.delete(subscriber);
    const subscribers = byUri.get(uri)?.subscribers;
    if (subscribers?.delete(subscriber) !== true || subscribers.size > 0) return false;
    byUri.delete(uri);
    confirmed.delete(uri);
    return true;
  }
}
