import { z } from 'zod';
import { parseInteger, parsePath } from './checks.ts';
import {
  settingName,
  type OptionDefault,
  type OptionKind,
  type OptionMeta,
  type OptionValues,
  type SettingName,
} from './options.ts';
import { parseDuration, parseEntryTimeout, parseSize, type Parsed } from './units.ts';

/** The parts that the manifest's schema consists of: options with their command-line side, and the forms of values. */

/** The command-line side of every option. */
export const optionRegistry = z.registry<RegisteredOption>();

interface RegisteredOption extends OptionMeta {
  /** Whether a key of the manifest's `serve` block has the same meaning. */
  readonly isSetting: boolean;
  /** The current name of the option, if this is a former one. Help and docs leave former names out. */
  readonly name?: string;
}

/** The keys of an entry that become options of its server. */
export const serverOptionRegistry = z.registry<RegisteredServerOption>();

interface RegisteredServerOption {
  readonly kind: OptionKind;
  /** The option's name where it is not the key. */
  readonly name?: string | undefined;
  readonly default?: OptionDefault | undefined;
}

/** Exists in types only: it tells options from the other keys of a block. */
declare const OPTION: unique symbol;

/** A key of the manifest that becomes a member of `Settings` or `ServerOptions`. */
export interface OptionSchema<Schema extends z.ZodType, Kind, Name, Default> extends z.ZodOptional<Schema> {
  readonly [OPTION]?: { readonly kind: Kind; readonly name: Name; readonly default: Default };
}

/** The options that a block of the manifest describes, by their names. An option with a default always has a value. */
export type OptionsOf<Shape> = {
  readonly [Key in keyof Shape as NameOf<Key, Shape[Key]>]: ValueOf<Shape[Key]>;
};

type NameOf<Key, Schema> = typeof OPTION extends keyof Schema
  ? Schema extends OptionSchema<z.ZodType, infer Kind, infer Name, unknown>
    ? SettingName<Name extends string ? Name : Extract<Key, string>, Kind>
    : never
  : never;

type ValueOf<Schema> =
  Schema extends OptionSchema<infer Value, unknown, unknown, infer Default>
    ? AsReadonly<z.output<Value>> | (Default extends undefined ? undefined : never)
    : never;

type AsReadonly<Value> = Value extends readonly (infer Item)[] ? readonly Item[] : Value;

type Details = Omit<OptionMeta, 'kind' | 'choices' | 'default'>;

/** A key of the `serve` block, with its flag and its variable. */
export function option<
  const Kind extends OptionKind,
  Schema extends z.ZodType<OptionValues[Kind]>,
  Default extends OptionDefault | undefined = undefined,
>(
  kind: Kind,
  schema: Schema,
  details: Details & { readonly default?: Default },
): OptionSchema<Schema, Kind, undefined, Default> {
  return described(kind, schema, details, { isSetting: true });
}

/**
 * A former name of a key of the `serve` block. Where both are given, the current name counts.
 * @param name the current name
 */
export function optionAlias<Schema extends z.ZodType>(
  name: string,
  current: z.ZodOptional<Schema>,
  names: Pick<OptionMeta, 'flag' | 'env'>,
): z.ZodOptional<Schema> {
  const alias = current
    .unwrap()
    .optional()
    .meta({ description: `Another name for ${name}.` });
  const meta = optionRegistry.get(current);
  if (meta === undefined) return alias;
  const { default: _, ...others } = meta;
  optionRegistry.add(alias, { ...others, ...names, name });
  return alias;
}

/** An option that the command line and the environment have, and the manifest has not. */
export function launch<Schema extends z.ZodType>(
  kind: OptionKind,
  schema: Schema,
  details: Details & { readonly default?: OptionDefault },
): z.ZodOptional<Schema> {
  return described(kind, schema, details, { isSetting: false });
}

function described<Schema extends z.ZodType>(
  kind: OptionKind,
  schema: Schema,
  details: Details & { readonly default?: OptionDefault | undefined },
  role: { readonly isSetting: boolean },
): z.ZodOptional<Schema> {
  const { default: fallback, ...others } = details;
  const given = fallback === undefined ? {} : { default: fallback };
  const optional = schema.optional().meta({ description: `${details.description}.`, ...given });
  optionRegistry.add(optional, { ...others, ...given, ...role, kind, ...choicesOf(schema) });
  return optional;
}

interface ServerDetails<Name, Default> {
  readonly description: string;
  /** The option's name where it is not the key. */
  readonly name?: Name;
  readonly default?: Default;
}

/** A key of an entry that becomes an option of its server. */
export function serverOption<
  const Kind extends OptionKind,
  Schema extends z.ZodType<OptionValues[Kind]>,
  const Name extends string | undefined = undefined,
  Default extends OptionDefault | undefined = undefined,
>(
  kind: Kind,
  schema: Schema,
  { description, name, default: fallback }: ServerDetails<Name, Default>,
): OptionSchema<Schema, Kind, Name, Default> {
  const optional = schema
    .optional()
    .meta({ description, ...(fallback === undefined ? {} : { default: fallback }) });
  serverOptionRegistry.add(optional, { kind, name, default: fallback });
  return optional;
}

/**
 * The options that a block of the manifest holds, by their names. Of several keys with one name the first one counts.
 * @param registry describes the keys that are options
 */
export function optionsIn(
  shape: Readonly<Record<string, z.ZodType>>,
  block: Readonly<Record<string, unknown>>,
  registry: { get(schema: z.ZodType): Pick<RegisteredServerOption, 'kind' | 'name'> | undefined },
): ReadonlyMap<string, { readonly kind: OptionKind; readonly value: unknown }> {
  const options = new Map<string, { readonly kind: OptionKind; readonly value: unknown }>();
  for (const [key, schema] of Object.entries(shape)) {
    const meta = registry.get(schema);
    const value = block[key];
    if (meta === undefined || value === undefined) continue;
    const name = settingName(meta.name ?? key, meta.kind);
    if (!options.has(name)) options.set(name, { kind: meta.kind, value });
  }
  return options;
}

function choicesOf(schema: z.ZodType): { choices?: readonly string[] } {
  const leaf = schema instanceof z.ZodArray ? schema.element : schema;
  return leaf instanceof z.ZodEnum ? { choices: leaf.options.map(String) } : {};
}

export function text() {
  return z.string({ error: 'must be a string' });
}

export function flag() {
  return z.boolean({ error: 'must be true or false' });
}

export function scalar() {
  return z.union([z.string(), z.number(), z.boolean()], { error: 'must be a string' });
}

export function list() {
  return z.array(text(), { error: 'must be an array of strings' });
}

export function stringOrList() {
  return z.union([z.string(), z.array(z.string())], { error: 'must be a string or an array of strings' });
}

/** Names of tools to allow, or lists of both kinds. Switches by name, as in other clients' files, are read elsewhere. */
export function toolRestriction() {
  const lists = z.looseObject({ allow: stringOrList().optional(), deny: stringOrList().optional() });
  return z.union([z.string(), z.array(z.string()), lists], {
    error: 'must be an array of tool names, or an object with "allow" and "deny"',
  });
}

export function record(description: string) {
  return z.record(z.string(), scalar(), { error: 'must be an object' }).optional().meta({ description });
}

export function choice<const T extends readonly string[]>(values: T) {
  const names = values.map((value) => `"${value}"`).join(', ');
  return z.enum(values, { error: values.length === 1 ? `must be ${names}` : `must be one of ${names}` });
}

export function path() {
  return parsed(z.string({ error: 'must be a string' }).meta({ pattern: '^/' }), parsePath);
}

export function integer(min: number, max: number) {
  const error = `must be a whole number from ${min} to ${max}`;
  const number = z.int(error).min(min, error).max(max, error);
  const input = z.union([number, z.string().meta({ pattern: '^[0-9]+$|\\$\\{' })], { error });
  return parsed(input, (value) => parseInteger(value, min, max));
}

export function duration(minMs = 1) {
  const error = 'must be a duration such as "30s"';
  const input = z.union([z.int(error).min(minMs, error), z.string()], { error });
  return parsed(input, (value) => parseDuration(value, minMs));
}

export function entryTimeout() {
  const input = z.union([z.number(), z.string()], { error: 'must be a duration such as "30s"' });
  return parsed(input, parseEntryTimeout);
}

export function size(minBytes = 1) {
  const error = 'must be a size such as "4mb"';
  const input = z.union([z.int(error).min(minBytes, error), z.string()], { error });
  return parsed(input, (value) => parseSize(value, minBytes));
}

export function parsed<S extends z.ZodType, O>(schema: S, parse: (value: z.output<S>) => Parsed<O>) {
  return schema.transform((value, context) => {
    const result = parse(value);
    if ('value' in result) return result.value;
    context.addIssue({ code: 'custom', message: result.fault });
    return z.NEVER;
  });
}
