import type { ClientPort } from './client-port.ts';

/** The open ports of a server, in no order. Each port knows its place, so that one may come and go with every request. */
export class PortSet<P extends ClientPort> {
  readonly #ports: P[] = [];

  get size(): number {
    return this.#ports.length;
  }

  /** The ports that are open now: those that leave meanwhile stay in the copy. */
  values(): P[] {
    return [...this.#ports];
  }

  add(port: P): void {
    port.place = this.#ports.length;
    this.#ports.push(port);
  }

  /** Without effect for a port that is not here. */
  delete(port: P): void {
    const { place } = port;
    if (this.#ports[place] !== port) return;
    const last = this.#ports.pop();
    if (last === undefined || last === port) return;
    last.place = place;
    this.#ports[place] = last;
  }
}
