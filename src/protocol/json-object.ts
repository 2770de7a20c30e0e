import { isDeepStrictEqual } from 'node:util';
import { RunError } from '../errors.ts';
import { asBuffer } from './bytes.ts';
import type { Frame } from './frame.ts';
import { toJson } from './request-id.ts';
import { scanObject } from './scan.ts';

/** A member of a JSON object, its value as it is written: large numbers and key order survive what JSON.parse would lose. */
export interface Member {
  readonly key: string;
  readonly value: Buffer;
}

/** @returns the members of an object, in order; undefined if that is not one object, or has a key twice */
export function readMembers(object: Uint8Array): Member[] | undefined {
  const bytes = asBuffer(object);
  return scanObject(bytes)?.map(({ key, start, end }) => ({ key, value: bytes.subarray(start, end) }));
}

/** The members of a value that is known to be JSON; what is no object has none, and of a key that is there twice the last counts. */
export function membersOf(value: Buffer | undefined): Member[] {
  if (value === undefined || value[0] !== 0x7b) return [];
  return readMembers(value) ?? readMembers(written(JSON.parse(value.toString()))) ?? [];
}

/** The members of a message that has been parsed: of a key that is there twice, the one that the parser has taken. */
export function membersOfMessage({ bytes, message }: Frame): Member[] {
  return readMembers(bytes) ?? membersOf(written(message));
}

export function member(key: string, value: unknown): Member {
  return { key, value: written(value) };
}

export function valueOf(members: readonly Member[], key: string): Buffer | undefined {
  for (const one of members) if (one.key === key) return one.value;
  return undefined;
}

/** A value as JavaScript sees it. @throws SyntaxError for what only looked like JSON */
export function parsed(value: Buffer | undefined): unknown {
  return value === undefined ? undefined : JSON.parse(value.toString());
}

/** All members but those of these names. */
export function without(members: readonly Member[], names: ReadonlySet<string>): Member[] {
  return members.filter(({ key }) => !names.has(key));
}

/** The same with this member, in its old place if there was one of that name. */
export function withMember(members: readonly Member[], added: Member): Member[] {
  return members.some(({ key }) => key === added.key)
    ? members.map((one) => (one.key === added.key ? added : one))
    : [...members, added];
}

export function writeObject(members: readonly Member[]): Buffer {
  const pieces: Buffer[] = [];
  for (const { key, value } of members) {
    pieces.push(Buffer.from(`${pieces.length === 0 ? '{' : ','}${JSON.stringify(key)}:`), value);
  }
  pieces.push(Buffer.from(pieces.length === 0 ? '{}' : '}'));
  return Buffer.concat(pieces);
}

/**
 * An object with some of its values changed; those that are left alone stay as they were written.
 * @param outlineOf a value, as far as `change` reads it
 */
export function rewriteObject(
  members: readonly Member[],
  outlineOf: (member: Member) => unknown,
  change: (object: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>,
): Buffer {
  const before: Readonly<Record<string, unknown>> = Object.fromEntries(
    members.map((one) => [one.key, outlineOf(one)]),
  );
  return writeObject(
    Object.entries(change(before)).map(([key, value]) => {
      const original = isDeepStrictEqual(value, before[key]) ? valueOf(members, key) : undefined;
      return original === undefined ? member(key, value) : { key, value: original };
    }),
  );
}

/** The parser takes any depth, and the serialiser only as much as the stack. */
function written(value: unknown): Buffer {
  try {
    return Buffer.from(toJson(value));
  } catch (error) {
    throw new RunError('INVALID_REQUEST', { detail: 'nested too deeply' }, { cause: error });
  }
}
