import { frameFromBytes, type Frame } from '../../protocol/frame.ts';
import {
  member,
  membersOf,
  parsed,
  valueOf,
  withMember,
  writeObject,
  type Member,
} from '../../protocol/json-object.ts';

/** The progress of one request of a client, across all the requests that it takes at the server. */
export class Progress {
  readonly #token: Buffer | undefined;
  /** Progress of the rounds before, if this one counts anew. */
  #base = 0;
  #last = 0;
  #isFirstOfRound = false;

  /** @param token JSON text of the client's progress token */
  constructor(token: Buffer | undefined) {
    this.#token = token;
  }

  /** The server begins again, with another request. */
  nextRound(): void {
    this.#isFirstOfRound = true;
  }

  /**
   * @param message members of a progress notification
   * @returns it as the client is to get it; undefined if it is nothing new to it, or it has not asked for any
   */
  translate(message: readonly Member[]): Frame | undefined {
    if (this.#token === undefined) return undefined;
    const params = membersOf(valueOf(message, 'params'));
    const counted = this.#count(withMember(params, { key: 'progressToken', value: this.#token }));
    if (counted === undefined) return undefined;
    const bytes = writeObject(withMember(message, { key: 'params', value: writeObject(counted) }));
    return frameFromBytes('notification', bytes, undefined, 'notifications/progress');
  }

  /** To the client it is one request, whose progress has to increase (2025-11-25, basic/utilities/progress). */
  #count(params: readonly Member[]): readonly Member[] | undefined {
    const progress = parsed(valueOf(params, 'progress'));
    if (typeof progress !== 'number') return params;
    if (this.#isFirstOfRound) {
      this.#isFirstOfRound = false;
      this.#base = progress > this.#last ? 0 : this.#last;
      if (this.#base + progress <= this.#last) return undefined;
    }
    this.#last = Math.max(this.#last, this.#base + progress);
    if (this.#base === 0) return params;
    const total = parsed(valueOf(params, 'total'));
    const moved = withMember(params, member('progress', this.#base + progress));
    return typeof total === 'number' ? withMember(moved, member('total', this.#base + total)) : moved;
  }
}
