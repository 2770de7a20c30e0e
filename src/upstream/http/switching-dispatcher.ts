import type { HttpDispatcher } from './http-call.ts';

/**
 * A dispatcher that is there at once, and is relieved by one that does more in less time once that is worth loading.
 * @param after requests; what is under way by then stays where it is
 */
export function createSwitchingDispatcher(
  first: HttpDispatcher,
  load: () => Promise<HttpDispatcher>,
  after: number,
): HttpDispatcher {
  let current = first;
  let requests = 0;
  return {
    dispatch(options, call) {
      requests += 1;
      current.dispatch(options, call);
      if (requests !== after) return;
      load().then(
        (loaded) => (current = loaded),
        // The first one can do it all.
        () => {},
      );
    },
  };
}
