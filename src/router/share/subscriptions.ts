import { isWithin, readResourceUri, type ResourceUri } from '../../protocol/resource-uri.ts';

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
   * The subscribers that an update is for: those of exactly this URI. Only if there are none, those of a resource that it is a
   * part of (schema: ResourceUpdatedNotification), since they would learn a URI that another client has subscribed to.
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
    subscribersOf: (uri) => byUri.get(uri)?.subscribers ?? subscribersAbove(uri),
    hasOther: (subscriber) => bySubscriber.size > (bySubscriber.has(subscriber) ? 1 : 0),
    renew() {
      confirmed.clear();
      return [...byUri.keys()];
    },
  };

  function subscribersAbove(text: string): Set<T> {
    const found = new Set<T>();
    if (byUri.size === 0) return found;
    const uri = readResourceUri(text);
    for (const { uri: whole, subscribers } of byUri.values()) {
      if (isWithin(uri, whole)) for (const subscriber of subscribers) found.add(subscriber);
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
