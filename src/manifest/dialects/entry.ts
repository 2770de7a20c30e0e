import type { KeyPath } from '../read/diagnostics.ts';
import type { SourceFile } from '../read/read.ts';
import { serverSchema } from '../schema/server-schema.ts';
import { isToolKey } from '../schema/tool-keys.ts';
import { child, stringOf, type Node } from '../read/node.ts';
import { isNull } from '../read/unset.ts';
import type { Located } from '../read/validate.ts';
import { readAuthorization, readHeaderVariables } from './authorization.ts';
import { EntryDraft, fold, itemsOf, scalarAt, type Item } from './draft.ts';
import { readLimit } from './limits.ts';
import { membersOf, namesIn } from './lists.ts';
import { translateReferences } from './references.ts';
import { readTimeout } from './timeouts.ts';
import { refusalOfType, transportOf } from './transport-type.ts';

/** An entry as its file writes it. */
export interface WrittenEntry {
  readonly source: SourceFile;
  readonly path: KeyPath;
  readonly node: Node;
  readonly name: string;
  /** The name is a key of the entry, which stands in a list. */
  readonly isListed: boolean;
  /** `{env:VAR}` is a reference in this file. */
  readonly hasBraceReferences: boolean;
  /** Where the file says that this server is left out. */
  readonly leftOutBy: KeyPath | undefined;
}

const OWN = new Map(Object.keys(serverSchema.shape).map((key) => [fold(key), key]));
const TYPES = new Set(['type', 'transport', 'transporttype']);
const URLS = new Map<string, 'http' | 'sse' | undefined>([
  ['httpurl', 'http'],
  ['streamablehttpurl', 'http'],
  ['sseurl', 'sse'],
  ['serverurl', undefined],
  ['uri', undefined],
  ['baseurl', undefined],
  ['endpoint', undefined],
]);

const ALIASES = new Map([
  ['arguments', 'args'],
  ['workingdirectory', 'cwd'],
  ['workingdir', 'cwd'],
  ['workdir', 'cwd'],
  ['isactive', 'enabled'],
  ['active', 'enabled'],
  ['isenabled', 'enabled'],
  ['isdisabled', 'disabled'],
]);

const VARIABLES = new Set(['env', 'envs', 'environment', 'environmentvariables', 'envvars']);
const HEADERS = new Set(['headers', 'httpheaders', 'requestheaders', 'customheaders']);

class EntryReader {
  readonly #draft: EntryDraft;
  readonly #isListed: boolean;
  #kind: Item | undefined;
  /** What follows the program in a list that is a whole command. */
  #rest: readonly Item[] = [];

  constructor(draft: EntryDraft, isListed: boolean) {
    this.#draft = draft;
    this.#isListed = isListed;
  }

  read(item: Item): void {
    const draft = this.#draft;
    const key = fold(item.key);
    const isOwn = Object.hasOwn(serverSchema.shape, item.key);
    // A key of ours that is null is checked like any other.
    if ((!isOwn || item.from.length > 1) && isNull(item.value)) return;
    if (TYPES.has(key)) this.#type(item, OWN.get(key) ?? item.key);
    else if (key === 'command' || key === 'cmd') this.#command(item);
    else if (URLS.has(key)) this.#url(item, URLS.get(key));
    else if (VARIABLES.has(key)) this.#variables(item);
    else if (HEADERS.has(key)) this.#record('headers', item);
    else if (key === 'envhttpheaders') readHeaderVariables(draft, item);
    else if (key === 'envkeys' || (key === 'passenv' && !isOwn)) this.#passed(item);
    else if (this.#isMarker(key, item)) return;
    else if (readLimit(draft, key, item)) return;
    else if (isOwn || isToolKey(item.key)) this.#own(key, item);
    else if (readAuthorization(draft, key, item) || readTimeout(draft, key, item)) return;
    else {
      const own = ALIASES.get(key) ?? OWN.get(key);
      if (own === undefined) draft.replace(item.key, item);
      else draft.set(own, item);
    }
  }

  finish(): void {
    const draft = this.#draft;
    const isStated = ['type', 'transport', 'transportType'].some((key) => draft.get(key) !== undefined);
    if (this.#kind !== undefined && !isStated) draft.replace('type', this.#kind);
    if (this.#rest.length === 0) return;
    const own = draft.get('args');
    const more = own?.kind === 'array' ? own.items : [];
    if (own !== undefined && own.kind !== 'array') return;
    const [first] = this.#rest;
    const items = [...this.#rest.map(({ value }) => value), ...more];
    for (const [index] of more.entries()) draft.place(['args', this.#rest.length + index], ['args', index]);
    for (const [index, { from }] of this.#rest.entries()) draft.place(['args', index], from);
    const offset = first?.value.offset ?? 0;
    draft.replace('args', {
      key: 'args',
      keyOffset: offset,
      value: { kind: 'array', offset, items },
      from: first?.from.slice(0, -1) ?? [],
    });
  }

  #own(key: string, item: Item): void {
    if (key === 'oauth') readAuthorization(this.#draft, key, item);
    else this.#draft.set(item.key, item);
  }

  #type(item: Item, own: string): void {
    const refusal = refusalOfType(item.value);
    const transport = transportOf(item.value);
    if (refusal !== undefined) this.#draft.fault(item, refusal);
    else if (transport === undefined) this.#draft.set(own, item);
    else this.#draft.set(own, { ...item, value: scalarAt(item.value.offset, transport) });
  }

  #command(item: Item): void {
    const { value } = item;
    if (value.kind !== 'array') {
      this.#draft.set('command', item);
      return;
    }
    const parts = value.items.map((part, index) => ({ ...item, value: part, from: [...item.from, index] }));
    const [program, ...rest] = parts;
    if (program === undefined) {
      this.#draft.fault(item, 'is empty; the first item is the program to start');
      return;
    }
    this.#draft.set('command', program);
    this.#rest = rest;
  }

  #url(item: Item, kind: 'http' | 'sse' | undefined): void {
    this.#draft.set('url', item);
    if (kind !== undefined) this.#kind ??= { ...item, value: scalarAt(item.keyOffset, kind) };
  }

  /** Names alone are to be passed on; names with values are to be set. */
  #variables(item: Item): void {
    if (namesIn(item.value) !== undefined && membersOf(item) === undefined) this.#passed(item);
    else this.#record('env', item);
  }

  #record(key: 'env' | 'headers', item: Item): void {
    const members = membersOf(item);
    if (members === undefined) this.#draft.set(key, item);
    else this.#draft.merge(key, item, members);
  }

  #passed(item: Item): void {
    const items = namesIn(item.value);
    if (items === undefined) this.#draft.set('passEnv', item);
    else if (items.length > 0) {
      const before = this.#draft.get('passEnv');
      const known = before === undefined ? [] : before.kind === 'array' ? before.items : [before];
      const value: Node = { kind: 'array', offset: item.value.offset, items: [...known, ...items] };
      this.#draft.replace('passEnv', { ...item, value });
    }
  }

  /** What only says where an entry comes from. */
  #isMarker(key: string, item: Item): boolean {
    if (key === 'name') return this.#isListed || stringOf(item.value) === this.#draft.name;
    if (key !== 'source') return false;
    if (stringOf(item.value) === 'extension')
      this.#draft.fault(
        item,
        'an extension of the editor starts this server; write its "command" and "args"',
      );
    return ['extension', 'custom', 'settings'].includes(stringOf(item.value) ?? '');
  }
}

/** An entry of any client in mcp-run's words. What is not known stays, and is warned about where entries are checked. */
export function normaliseEntry(written: WrittenEntry): Located {
  const { source, path, node, name } = written;
  const draft = new EntryDraft(name, source, path);
  const reader = new EntryReader(draft, written.isListed);
  for (const item of flatten(node, []).toSorted((a, b) => rankOf(a) - rankOf(b))) reader.read(item);
  reader.finish();
  if (written.leftOutBy !== undefined) leaveOut(draft, source, node.offset, written.leftOutBy);
  const located = draft.located();
  const known = translateReferences(draft.node(node.offset), {
    hasBraceReferences: written.hasBraceReferences,
    warn: (keys, detail) => draft.warnings.push(located.diagnostic([...path, ...keys], detail)),
  });
  const { faults, warnings, dropped } = draft;
  return { source: located, path, node: known, notes: { faults, warnings, dropped } };
}

function leaveOut(draft: EntryDraft, source: SourceFile, offset: number, by: KeyPath): void {
  draft.replace('disabled', { key: 'disabled', keyOffset: offset, value: scalarAt(offset, true), from: [] });
  draft.warnings.push(source.diagnostic(by, `leaves the server "${draft.name}" out`, 'key'));
}

/** Where two keys say the same, the one that is read first counts. */
function rankOf({ key }: Item): number {
  if (URLS.get(fold(key)) !== undefined) return 0;
  if (Object.hasOwn(serverSchema.shape, key)) return 1;
  return 2;
}

/** Objects in which some clients keep what others say about the entry itself. */
function flatten(node: Node, from: KeyPath): readonly Item[] {
  return itemsOf(node, from).flatMap((item) => {
    const key = fold(item.key);
    const { value } = item;
    if (value.kind !== 'object') return [item];
    if (key === 'command' || key === 'cmd')
      return itemsOf(value, item.from).map((inner) =>
        fold(inner.key) === 'path' ? { ...inner, key: 'command' } : inner,
      );
    if (TYPES.has(key) || (key === 'config' && isServer(value))) return flatten(value, item.from);
    return key === 'requestoptions' ? requestOptions(value, item) : [item];
  });
}

function isServer(node: Node): boolean {
  return ['command', 'cmd', 'url', 'uri', 'type'].some((key) => child(node, key) !== undefined);
}

/** Continue's, of which some concern the connection. */
function requestOptions(value: Node, { from }: Item): readonly Item[] {
  return itemsOf(value, from).flatMap((item) => {
    const key = fold(item.key);
    if (key === 'cabundlepath') return [{ ...item, key: 'caFile' }];
    if (key !== 'clientcertificate') return [key === 'timeout' ? { ...item, key: 'timeoutSeconds' } : item];
    return itemsOf(item.value, item.from).map((inner) => ({ ...inner, key: `${inner.key}File` }));
  });
}
