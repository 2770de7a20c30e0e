import type { Clock } from '../clock.ts';

/** Whether `promise` settles within `ms`. */
export async function settles(promise: Promise<unknown>, ms: number, clock: Clock): Promise<boolean> {
  let cancel: () => void = () => {};
  const late = new Promise<boolean>((resolve) => {
    cancel = clock.after(ms, () => resolve(false), true);
  });
  const inTime = promise.then(
    () => true,
    () => true,
  );
  const result = await Promise.race([inTime, late]);
  cancel();
  return result;
}
