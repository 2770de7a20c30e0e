/** Who of several clients has subscribed to which resource of the child that they share. */
export interface Subscriptions<T> {
  add(uri: string, subscriber: T): void;
  /** The child has accepted it: nobody else needs to ask for it again. */
  confirm(uri: string): void;
  isConfirmed(uri: string): boolean;
  /** @returns whether nobody is left, so that the child need not send updates any more */
  remove(uri: string, subscriber: T): boolean;
  /** @returns the resources that nobody is left for */
  removeAll(subscriber: T): string[];
  /** Who is to hear of an update: `uri` may be a part of what was subscribed to (schema: ResourceUpdatedNotification). */
  subscribersOf(uri: string): ReadonlySet<T>;
  /** Nothing is accepted any more, since the child is another one. @returns what has to be asked for again */
  renew(): string[];
}

export function createSubscriptions<T>(): Subscriptions<T> {
  const byUri = new Map<string, Set<T>>();
  const bySubscriber = new Map<T, Set<string>>();
  const confirmed = new Set<string>();

  return {
    add(uri, subscriber) {
      addTo(byUri, uri, subscriber);
      addTo(bySubscriber, subscriber, uri);
    },
    confirm(uri) {
      // All may have unsubscribed meanwhile.
      if (byUri.has(uri)) confirmed.add(uri);
    },
    isConfirmed: (uri) => confirmed.has(uri),
    remove,
    removeAll: (subscriber) =>
      [...(bySubscriber.get(subscriber) ?? [])].filter((uri) => remove(uri, subscriber)),
    subscribersOf(uri) {
      const found = new Set<T>();
      for (const [subscribed, subscribers] of byUri) {
        if (uri !== subscribed && !isPartOf(uri, subscribed)) continue;
        for (const subscriber of subscribers) found.add(subscriber);
      }
      return found;
    },
    renew() {
      confirmed.clear();
      return [...byUri.keys()];
    },
  };

  function remove(uri: string, subscriber: T): boolean {
    removeFrom(bySubscriber, subscriber, uri);
    if (!removeFrom(byUri, uri, subscriber)) return false;
    confirmed.delete(uri);
    return true;
  }
}

function addTo<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([value]));
  else set.add(value);
}

/** @returns whether the last value was removed */
function removeFrom<K, V>(sets: Map<K, Set<V>>, key: K, value: V): boolean {
  const set = sets.get(key);
  if (set?.delete(value) !== true || set.size > 0) return false;
  sets.delete(key);
  return true;
}

function isPartOf(uri: string, whole: string): boolean {
  return uri.startsWith(whole.endsWith('/') ? whole : `${whole}/`);
}
