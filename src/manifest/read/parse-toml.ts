import { parse, TomlError } from 'smol-toml';
import { isTooDeep, TOO_DEEP } from './depth.ts';
import type { KeyPath } from './diagnostics.ts';
import { findTomlPlaces, type TomlPlaces } from './toml-places.ts';
import type { Node, ParsedText, ScalarNode } from './node.ts';

/** Parses TOML, which Codex keeps its servers in. */
export function parseTomlText(text: string): ParsedText {
  if (/^(?:\s|#[^\n]*(?:\n|$))*$/.test(text)) return { root: undefined, faults: [] };
  let value: unknown;
  try {
    value = parse(text, { integersAsBigInt: 'asNeeded' });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    return {
      root: undefined,
      faults: [{ offset: offsetOf(error, text), path: [], detail: detailOf(error) }],
    };
  }
  if (isTooDeep(value)) return { root: undefined, faults: [{ offset: 0, path: [], detail: TOO_DEEP }] };
  return { root: convert(value, [], 0, { text, places: findTomlPlaces(text) }), faults: [] };
}

interface Written {
  readonly text: string;
  readonly places: TomlPlaces;
}

function convert(value: unknown, path: KeyPath, parentOffset: number, written: Written): Node {
  const span = written.places.valueAt(path);
  const offset = span?.start ?? written.places.keyAt(path) ?? parentOffset;
  if (Array.isArray(value)) {
    const items = value.map((item: unknown, index) => convert(item, [...path, index], offset, written));
    return { kind: 'array', offset, items };
  }
  if (typeof value === 'object' && value !== null && !(value instanceof Date)) {
    const entries = Object.entries(value).map(([key, inner]: [string, unknown]) => {
      const keyPath = [...path, key];
      const keyOffset = written.places.keyAt(keyPath) ?? offset;
      return { key, keyOffset, value: convert(inner, keyPath, keyOffset, written) };
    });
    return { kind: 'object', offset, entries };
  }
  const source = span === undefined ? String(value) : written.text.slice(span.start, span.end);
  return { kind: 'scalar', offset, ...scalarOf(value, source) };
}

function scalarOf(value: unknown, source: string): Pick<ScalarNode, 'value' | 'source'> {
  if (typeof value === 'string' || typeof value === 'boolean') return { value, source };
  // 1_000 and 0x1f are notations of TOML alone.
  if (typeof value === 'number')
    return { value, source: /^-?\d+(\.\d+)?$/.test(source) ? source : String(value) };
  if (typeof value === 'bigint') return { value: Number(value), source: String(value) };
  return { value: source, source };
}

function offsetOf({ line, column }: TomlError, text: string): number {
  const lines = text.split('\n').slice(0, line - 1);
  const start = lines.reduce((sum, before) => sum + before.length + 1, 0);
  return Math.min(start + Math.max(column - 1, 0), text.length);
}

/** The parser's message goes on with lines of the file, which may hold secrets. */
function detailOf({ message }: TomlError): string {
  const reason = (message.split('\n', 1)[0] ?? '').replace(/^Invalid TOML document: /, '');
  if (/excessively nested/.test(reason)) return TOO_DEEP;
  if (/redefine|already defined|duplicate/.test(reason)) return 'this key is there twice; remove one';
  return `not TOML: ${reason}`;
}
