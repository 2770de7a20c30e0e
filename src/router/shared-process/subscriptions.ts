import { isSameResource, isWithin, readResourceUri, type ResourceUri } from '../../protocol/resource-uri.ts';

interface Subscribed<T> {
  readonly uri: ResourceUri;
  readonly subscribers: Set<T>;
  /** The server has accepted the subscription: no other client needs to ask for it again. */
  isConfirmed: boolean;
}

/** Which of several clients has subscribed to which resource of the server that they share. */
export class Subscriptions<T> {
  readonly #byUri = new Map<string, Subscribed<T>>();
  readonly #bySubscriber = new Map<T, Set<string>>();

  add(uri: string, subscriber: T): void {
    const known = this.#byUri.get(uri);
    if (known !== undefined) known.subscribers.add(subscriber);
    else
      this.#byUri.set(uri, {
        uri: readResourceUri(uri),
        subscribers: new Set([subscriber]),
        isConfirmed: false,
      });
    const uris = this.#bySubscriber.get(subscriber);
    if (uris === undefined) this.#bySubscriber.set(subscriber, new Set([uri]));
    else uris.add(uri);
  }

  /** The server has accepted it. Without effect if all have unsubscribed meanwhile. */
  confirm(uri: string): void {
    const subscribed = this.#byUri.get(uri);
    if (subscribed !== undefined) subscribed.isConfirmed = true;
  }

  isConfirmed(uri: string): boolean {
    return this.#byUri.get(uri)?.isConfirmed === true;
  }

  /** @returns whether no subscriber is left, so that the server need not send updates any more */
  remove(uri: string, subscriber: T): boolean {
    const uris = this.#bySubscriber.get(subscriber);
    if (uris?.delete(uri) === true && uris.size === 0) this.#bySubscriber.delete(subscriber);
    const subscribers = this.#byUri.get(uri)?.subscribers;
    if (subscribers?.delete(subscriber) !== true || subscribers.size > 0) return false;
    this.#byUri.delete(uri);
    return true;
  }

  /** @returns the resources that no subscriber is left for */
  removeAll(subscriber: T): string[] {
    const uris = this.#bySubscriber.get(subscriber);
    return uris === undefined ? [] : [...uris].filter((uri) => this.remove(uri, subscriber));
  }

  /**
   * The subscribers that an update is for: those of exactly this URI, in any spelling. Only if there are none, those of a
   * resource that it is a part of (schema: ResourceUpdatedNotification), since they would learn a URI that another client has
   * subscribed to.
   */
  subscribersOf(text: string): ReadonlySet<T> {
    if (this.#byUri.size === 0) return new Set();
    const uri = readResourceUri(text);
    const same = this.#subscribersWhere((whole) => isSameResource(uri, whole));
    return same.size > 0 ? same : this.#subscribersWhere((whole) => isWithin(uri, whole));
  }

  /** Whether a client other than `subscriber` has a subscription. */
  hasOther(subscriber: T): boolean {
    return this.#bySubscriber.size > (this.#bySubscriber.has(subscriber) ? 1 : 0);
  }

  /** Nothing is accepted any more, since the server's process is another one. @returns what has to be asked for again */
  renew(): string[] {
    for (const subscribed of this.#byUri.values()) subscribed.isConfirmed = false;
    return [...this.#byUri.keys()];
  }

  #subscribersWhere(isMeant: (uri: ResourceUri) => boolean): Set<T> {
    const found = new Set<T>();
    for (const { uri, subscribers } of this.#byUri.values()) {
      if (isMeant(uri)) for (const subscriber of subscribers) found.add(subscriber);
    }
    return found;
  }
}
