/** Most levels of objects and arrays in a manifest, so that walks over one may be recursive. */
export const MAX_DEPTH = 100;

export const TOO_DEEP = `nested in more than ${MAX_DEPTH} levels`;

/** Whether a plain value has more levels than a manifest may have. Not recursive. */
export function isTooDeep(root: unknown): boolean {
  let level: unknown[] = [root];
  for (let depth = 0; depth <= MAX_DEPTH; depth++) {
    level = level.flatMap((value) =>
      typeof value === 'object' && value !== null ? Object.values(value) : [],
    );
    if (level.length === 0) return false;
  }
  return true;
}
