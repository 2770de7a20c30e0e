// The rows of the bench: which gateways are measured, under which load, and the ratios that have to hold.
//
// In each row the first gateway is compared with the second. Without `targets`, the comparison is only reported.
// `warmUp` is the number of calls before those that are measured, the same for all gateways: until the code is compiled,
// the compiler takes as much CPU as the calls. CPU per call stops falling after about 12,000 calls of 100 B, 10,000 of
// 10 KB, 4,000 of 100 KB, and 100 streams of 1,000 notifications. The last row has no target, and fewer calls.

const OF_SESSIONS = ['mcp-run', 'forwarder'];
const WITH_OTHERS = [...OF_SESSIONS, 'shared', 'stateless', 'translated', 'modern server'];
const OF_2026 = ['modern server', 'modern forwarder'];

/** Calls of clients with a session; the gateways after the second one get the same load. */
export const ROWS = [
  {
    title: 'sessions',
    gateways: WITH_OTHERS,
    load: { bytes: 100, concurrency: 8, warmUp: 16_000, calls: 8_000 },
    targets: { calls: 0.85, cpu: 1.25, translated: 1.5 },
  },
  {
    title: 'sessions',
    gateways: OF_SESSIONS,
    load: { bytes: 100, concurrency: 64, warmUp: 16_000, calls: 8_000 },
    targets: { calls: 0.85, cpu: 1.25 },
  },
  {
    title: 'sessions',
    gateways: WITH_OTHERS,
    load: { bytes: 10_000, concurrency: 8, warmUp: 10_000, calls: 4_000 },
  },
  {
    title: 'sessions',
    gateways: OF_SESSIONS,
    load: { bytes: 100_000, concurrency: 8, warmUp: 4_000, calls: 1_500 },
    targets: { calls: 0.75 },
  },
  {
    title: 'streams',
    gateways: OF_SESSIONS,
    load: { bytes: 100, notifications: 1_000, concurrency: 10, warmUp: 200, calls: 200 },
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
    load: { bytes: 100_000, concurrency: 64, warmUp: 2_000, calls: 600 },
  },
];

/** Of the time of `--version`, divided by that of an empty script. */
export const VERSION_TARGET = 1.4;
