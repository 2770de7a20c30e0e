import { formatDuration } from '../schema/units.ts';
import type { Node } from '../read/node.ts';
import { scalarAt, type EntryDraft, type Item } from './draft.ts';

const UNIT = '(ms|msec|millis|milliseconds|s|sec|secs|seconds)?';
const PER_CALL = new RegExp(`^(?:request|call|tool|toolcall|toolexecution|execution)?timeout(?:in)?${UNIT}$`);
const AT_START = new RegExp(
  `^(?:startup|start|init|initialize|initialization|connection|connect|launch|discovery|handshake)timeout(?:in)?${UNIT}$`,
);

/** Reads the durations of other clients; false if the key is none. */
export function readTimeout(draft: EntryDraft, key: string, item: Item): boolean {
  if (AT_START.test(key)) {
    draft.drop(item, 'ignored for one server; serve.initializeTimeout says it for all of them');
    return true;
  }
  const [, unit] = PER_CALL.exec(key) ?? [];
  if (!PER_CALL.test(key)) return false;
  draft.set('timeout', { ...item, value: unit === undefined ? item.value : withUnit(item.value, unit) });
  return true;
}

/** A plain number gets the unit that its key says. Anything else is checked as it is. */
function withUnit(value: Node, unit: string): Node {
  if (value.kind !== 'scalar') return value;
  const amount =
    typeof value.value === 'string' && value.value.trim() !== '' ? Number(value.value) : value.value;
  if (typeof amount !== 'number' || !(amount > 0) || !Number.isFinite(amount)) return value;
  const ms = Math.round(unit.startsWith('s') ? amount * 1000 : amount);
  return scalarAt(value.offset, formatDuration(ms));
}
