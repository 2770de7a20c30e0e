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
  /** For a new child. */
  uris(): string[];
}

export function createSubscriptions<T>(): Subscriptions<T> {
  const byUri = new Map<string, Set<T>>();
  const confirmed = new Set<string>();

  return {
    add(uri, subscriber) {
      const subscribers = byUri.get(uri);
      if (subscribers === undefined) byUri.set(uri, new Set([subscriber]));
      else subscribers.add(subscriber);
    },
    confirm: (uri) => void confirmed.add(uri),
    isConfirmed: (uri) => confirmed.has(uri),
    remove,
    removeAll: (subscriber) => [...byUri.keys()].filter((uri) => remove(uri, subscriber)),
    subscribersOf(uri) {
      const found = new Set<T>();
      for (const [subscribed, subscribers] of byUri) {
        if (uri !== subscribed && !isPartOf(uri, subscribed)) continue;
        for (const subscriber of subscribers) found.add(subscriber);
      }
      return found;
    },
    uris: () => [...byUri.keys()],
  };

  function remove(uri: string, subscriber: T): boolean {
    const subscribers = byUri.get(uri);
    if (subscribers?.delete(subscriber) !== true || subscribers.size > 0) return false;
    byUri.delete(uri);
    confirmed.delete(uri);
    return true;
  }
}

function isPartOf(uri: string, whole: string): boolean {
  return uri.startsWith(whole.endsWith('/') ? whole : `${whole}/`);
}
