/** After so many additions, or as many as there are entries, the rest moves into a Map of its own. */
const RENEWAL = 64;

/**
 * A Map for what comes and goes with every call.
 *
 * V8 replaces the table behind a Map once it is full of deleted entries, and the old table refers to the new one. When the
 * first of them has grown old, each that follows is kept alive by the one before until the next full collection, and with
 * it what its calls held: moving all that around took a tenth of the CPU of a small call.
 */
export class TransientMap<K, V> {
  #map = new Map<K, V>();
  #added = 0;

  get size(): number {
    return this.#map.size;
  }

  has(key: K): boolean {
    return this.#map.has(key);
  }

  get(key: K): V | undefined {
    return this.#map.get(key);
  }

  set(key: K, value: V): void {
    if (this.#added >= RENEWAL && this.#added >= this.#map.size) this.#renew();
    this.#added += 1;
    this.#map.set(key, value);
  }

  delete(key: K): boolean {
    return this.#map.delete(key);
  }

  /** In the order of their addition; what is added meanwhile may be missing. */
  values(): IterableIterator<V> {
    return this.#map.values();
  }

  #renew(): void {
    this.#map = new Map(this.#map);
    this.#added = 0;
  }
}
