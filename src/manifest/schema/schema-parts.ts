import { z } from 'zod';
import { parseInteger, parsePath } from './checks.ts';
import type { OptionKind, OptionMeta } from './options.ts';
import type { Settings } from '../settings.ts';
import { parseDuration, parseEntryTimeout, parseSize, type Parsed } from './units.ts';

/** What the manifest's description is made of: options with their command-line side, and the forms of values. */

/** The command-line side of every option. */
export const optionRegistry = z.registry<OptionMeta & { readonly setting: keyof Settings | null }>();

type Details = Omit<OptionMeta, 'kind' | 'choices'>;
type SettingDetails = Details & { readonly setting: keyof Settings };

export function option<T extends z.ZodType>(
  kind: OptionKind,
  schema: T,
  details: SettingDetails,
): z.ZodOptional<T> {
  return described(kind, schema, details, details.setting);
}

export function launch<T extends z.ZodType>(kind: OptionKind, schema: T, details: Details): z.ZodOptional<T> {
  return described(kind, schema, details, null);
}

function described<T extends z.ZodType>(
  kind: OptionKind,
  schema: T,
  details: Details,
  setting: keyof Settings | null,
): z.ZodOptional<T> {
  const description = `${details.description}.`;
  const fallback = details.default === undefined ? {} : { default: details.default };
  const optional = schema.optional().meta({ description, ...fallback });
  optionRegistry.add(optional, { ...details, kind, setting, ...choicesOf(schema) });
  return optional;
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
