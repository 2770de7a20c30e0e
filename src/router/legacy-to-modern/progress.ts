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
export interface Progress {
  /** The server begins again, with another request. */
  nextRound(): void;
  /**
   * @param message members of a progress notification
   * @returns it as the client is to get it; undefined if it is nothing new to it, or it has not asked for any
   */
  translate(message: readonly Member[]): Frame | undefined;
}

/** @param token JSON text of the client's progress token */
export function createProgress(token: Buffer | undefined): Progress {
  /** Progress of the rounds before, if this one counts anew. */
  let base = 0;
  let last = 0;
  let isFirst = false;

  return {
    nextRound() {
      isFirst = true;
    },
    translate(message) {
      if (token === undefined) return undefined;
      const params = membersOf(valueOf(message, 'params'));
      const counted = count(withMember(params, { key: 'progressToken', value: token }));
      if (counted === undefined) return undefined;
      const bytes = writeObject(withMember(message, { key: 'params', value: writeObject(counted) }));
      return frameFromBytes('notification', bytes, undefined, 'notifications/progress');
    },
  };

  /** To the client it is one request, whose progress has to increase (2025-11-25, basic/utilities/progress). */
  function count(params: readonly Member[]): readonly Member[] | undefined {
    const progress = parsed(valueOf(params, 'progress'));
    if (typeof progress !== 'number') return params;
    if (isFirst) {
      isFirst = false;
      base = progress > last ? 0 : last;
      if (base + progress <= last) return undefined;
    }
    last = Math.max(last, base + progress);
    if (base === 0) return params;
    const total = parsed(valueOf(params, 'total'));
    const moved = withMember(params, member('progress', base + progress));
    return typeof total === 'number' ? withMember(moved, member('total', base + total)) : moved;
  }
}
