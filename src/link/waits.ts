type Wait = void | Promise<void>;

/** The backpressure of several sends as one. */
export function all(waits: readonly Wait[]): Wait {
  const slow = waits.filter((wait) => wait !== undefined);
  return slow.length === 0 ? undefined : Promise.all(slow).then(() => {});
}
