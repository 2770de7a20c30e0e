// The rows of the bench: which gateways are measured, under which load, and the ratios that have to hold.
//
// In each row the first gateway is compared with the second. Without `targets`, the comparison is only reported.
// `warmUp` is the number of calls before those that are measured, the same for all gateways: until the code is compiled,
// the compiler takes as much CPU as the calls.

const WITH_OTHERS = ['mcp-run', 'forwarder', 'shared', 'stateless', 'translated', 'modern server'];
const OF_2026 = ['modern server', 'modern forwarder'];

/** Calls of clients with a session; the gateways after the second one get the same load. */
export const ROWS = [
  {
    title: 'sessions',
    gateways: WITH_OTHERS,
    load: { bytes: 100, concurrency: 8, warmUp: 2_000, calls: 8_000 },
    targets: { calls: 0.75, cpu: 1.4, translated: 1.5 },
  },
  {
    title: 'sessions',
    gateways: WITH_OTHERS,
    load: { bytes: 10_000, concurrency: 8, warmUp: 1_000, calls: 4_000 },
  },
];

/** Each call of revision 2026-07-28 is a POST without a session, here to a server of that revision. */
export const MODERN_ROWS = [
  {
    title: '2026-07-28',
    gateways: OF_2026,
    load: { bytes: 100, concurrency: 8, warmUp: 16_000, calls: 8_000 },
    targets: { calls: 0.7, cpu: 1.6 },
  },
  {
    title: '2026-07-28',
    gateways: OF_2026,
    load: { bytes: 100_000, concurrency: 64, warmUp: 150, calls: 600 },
  },
];

/** Of the time of `--version`, divided by that of an empty script. */
export const VERSION_TARGET = 1.4;
