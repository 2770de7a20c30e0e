/** One message kept for a client that lost its connection. */
interface Entry {
  readonly stream: number;
  readonly sequence: number;
  readonly data: Uint8Array;
}

const DROPPED: Entry = { stream: -1, sequence: 0, data: new Uint8Array() };

/**
 * The last events of one session, over all of its streams, bounded in bytes. Keyed by strings and numbers and holding
 * no live object, so that another store can take its place.
 */
export interface EventLog {
  /** @param unsent no client has received it yet: keep it even if it alone is over the limit. */
  add(stream: number, sequence: number, data: Uint8Array, unsent: boolean): void;
  /** What was sent on `stream` after `sequence`, oldest first. */
  after(stream: number, sequence: number): readonly Entry[];
}

export function createEventLog(maxBytes: number): EventLog {
  const entries: Entry[] = [];
  /** Index of the oldest entry; the ones before it are dropped in bulk. */
  let first = 0;
  let bytes = 0;

  return { add, after };

  function add(stream: number, sequence: number, data: Uint8Array, unsent: boolean): void {
    if (data.length > maxBytes && !unsent) return;
    entries.push({ stream, sequence, data: owned(data) });
    bytes += data.length;
    while (bytes > maxBytes && first < entries.length - 1) {
      bytes -= entries[first]?.data.length ?? 0;
      // Its place goes later, its memory now.
      entries[first] = DROPPED;
      first += 1;
    }
    if (first > 1024 && first > entries.length / 2) {
      entries.splice(0, first);
      first = 0;
    }
  }

  function after(stream: number, sequence: number): readonly Entry[] {
    return entries.slice(first).filter((entry) => entry.stream === stream && entry.sequence > sequence);
  }
}

/** A line is a slice of the chunk that it was read in; kept as it is, it would keep the whole chunk. */
function owned(data: Uint8Array): Uint8Array {
  return data.length * 2 < data.buffer.byteLength ? Uint8Array.prototype.slice.call(data) : data;
}

/** `Last-Event-ID` of ours: stream and sequence number (2025-11-25, basic/transports, resumability). */
export function formatEventId(stream: number, sequence: number): string {
  return `${stream}-${sequence}`;
}

export function parseEventId(
  text: string,
): { readonly stream: number; readonly sequence: number } | undefined {
  const match = /^(\d{1,15})-(\d{1,15})$/.exec(text);
  return match === null ? undefined : { stream: Number(match[1]), sequence: Number(match[2]) };
}
