/** Durations and sizes as people write them. A parse failure is a string that says what is wrong. */

export type Parsed<T> = { readonly value: T } | { readonly fault: string };

const MS_PER_UNIT = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['min', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

const BYTES_PER_UNIT = new Map([
  ['b', 1],
  ['k', 1_024],
  ['kb', 1_024],
  ['kib', 1_024],
  ['m', 1_048_576],
  ['mb', 1_048_576],
  ['mib', 1_048_576],
  ['g', 1_073_741_824],
  ['gb', 1_073_741_824],
  ['gib', 1_073_741_824],
]);

type Unit = readonly [name: string, factor: number];

/** What values are written in, largest unit first. */
const LARGE_DURATIONS: readonly Unit[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
];
const LARGE_SIZES: readonly Unit[] = [
  ['gb', 1_073_741_824],
  ['mb', 1_048_576],
  ['kb', 1_024],
];

/** Node's timers fire at once beyond this. */
const MAX_DURATION_MS = 2_147_483_647;
/** Above this a Buffer cannot be allocated on every supported platform. */
const MAX_SIZE_BYTES = 1_073_741_824;

/** `30s`, `1.5h`, `1m30s`, `250ms` → milliseconds. A number is milliseconds already. */
export function parseDuration(input: string | number, minMs = 1): Parsed<number> {
  if (typeof input === 'number')
    return inRange(Math.round(input), minMs, MAX_DURATION_MS, formatDuration, input);
  const text = input.trim().toLowerCase();
  if (/^0+$/.test(text)) return inRange(0, minMs, MAX_DURATION_MS, formatDuration, input);
  if (/^[\d.]+$/.test(text)) return { fault: `"${input}" needs a unit: "${text}s" or "${text}ms"` };
  if (!/^(\d+(\.\d+)?(ms|s|min|m|h|d)\s*)+$/.test(text)) {
    return { fault: `"${input}" is not a duration; write it like "30s", "5m" or "1h"` };
  }
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|min|m|h|d)/g)) {
    ms += Number(amount) * (MS_PER_UNIT.get(unit ?? '') ?? 0);
  }
  return inRange(Math.round(ms), minMs, MAX_DURATION_MS, formatDuration, input);
}

/** Below this, a plain number in an entry's `timeout` is seconds, as in the files of most clients. */
const MAX_PLAIN_SECONDS = 1_000;

/** Whether an entry's `timeout` is a plain number of seconds. */
export function isPlainSeconds(input: unknown): boolean {
  const amount = plainNumber(input);
  return amount !== undefined && amount > 0 && amount < MAX_PLAIN_SECONDS;
}

/** An entry's `timeout`: clients write plain numbers of seconds or, from 1000 on, of milliseconds. */
export function parseEntryTimeout(input: string | number): Parsed<number> {
  const amount = plainNumber(input);
  if (amount === undefined) return parseDuration(input);
  if (amount <= 0) return { fault: `${JSON.stringify(input)} is out of range: it must be more than 0` };
  return parseDuration(isPlainSeconds(input) ? amount * 1000 : amount);
}

function plainNumber(input: unknown): number | undefined {
  if (typeof input === 'number') return input;
  return typeof input === 'string' && /^\s*-?\d+(\.\d+)?\s*$/.test(input) ? Number(input) : undefined;
}

/** `4mb`, `512kb`, `65536` → bytes; a kilobyte is 1,024 bytes. */
export function parseSize(input: string | number, minBytes = 1): Parsed<number> {
  if (typeof input === 'number')
    return inRange(Math.round(input), minBytes, MAX_SIZE_BYTES, formatSize, input);
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/.exec(input.trim().toLowerCase());
  const factor = BYTES_PER_UNIT.get(match?.[2] === '' ? 'b' : (match?.[2] ?? ''));
  if (match === null || factor === undefined) {
    return { fault: `"${input}" is not a size; write it like "512kb" or "4mb"` };
  }
  return inRange(Math.round(Number(match[1]) * factor), minBytes, MAX_SIZE_BYTES, formatSize, input);
}

/** The shortest exact form: `90000` → `90s`. */
export function formatDuration(ms: number): string {
  return formatExact(ms, LARGE_DURATIONS, 'ms');
}

/** The shortest exact form: `4194304` → `4mb`. */
export function formatSize(bytes: number): string {
  return formatExact(bytes, LARGE_SIZES, 'b');
}

function formatExact(value: number, largeUnits: readonly Unit[], smallest: string): string {
  if (value === 0) return '0';
  for (const [unit, factor] of largeUnits) {
    if (value % factor === 0) return `${value / factor}${unit}`;
  }
  return `${value}${smallest}`;
}

function inRange(
  value: number,
  min: number,
  max: number,
  format: (value: number) => string,
  written: string | number,
): Parsed<number> {
  if (Number.isFinite(value) && value >= min && value <= max) return { value };
  return { fault: `${JSON.stringify(written)} is out of range: ${format(min)} to ${formatMax(max, format)}` };
}

function formatMax(max: number, format: (value: number) => string): string {
  return max === MAX_DURATION_MS ? '24d' : format(max);
}
