/** A JSON object of unknown members. */
export type Json = Readonly<Record<string, unknown>>;

export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object as it is, and an empty one for anything else. */
export function jsonOf(value: unknown): Json {
  return isJson(value) ? value : {};
}

/** A copy without some keys. Built from entries, since assigning a key called `__proto__` would set the prototype. */
export function without(object: Json, ...keys: readonly string[]): Json {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}

/** A copy with another `_meta`, or none if that is empty. */
export function withMeta(object: Json, meta: Json): Json {
  const rest = without(object, '_meta');
  return Object.keys(meta).length === 0 ? rest : { ...rest, _meta: meta };
}
