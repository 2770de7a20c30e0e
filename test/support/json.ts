export type Json = Record<string, unknown>;

/** Any value as an object; what is none has no members. */
export function json(value: unknown): Json {
  return isJson(value) ? value : {};
}

export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at a path of keys, or undefined. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (inner, key) => (Array.isArray(inner) ? inner[Number(key)] : json(inner)[String(key)]),
    value,
  );
}

/** The texts of a tool's result. */
export function textOf(result: unknown): string {
  const content = json(result)['content'];
  return Array.isArray(content) ? content.map((part) => String(json(part)['text'])).join('\n') : '';
}
