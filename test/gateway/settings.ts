import { DEFAULT_SETTINGS } from '../../src/manifest/schema/defaults.generated.ts';
import type { Settings } from '../../src/manifest/settings.ts';

/** Settings for tests: a free port on the loopback, and little patience. */
export const DEFAULTS: Settings = {
  ...DEFAULT_SETTINGS,
  transports: ['http'],
  port: 0,
  childIdleMs: 60_000,
  inputTtlMs: 60_000,
  initializeTimeoutMs: 10_000,
  requestTimeoutMs: 10_000,
  maxRequestTimeMs: 20_000,
  sessionIdleMs: 60_000,
  drainTimeoutMs: 200,
  bodyLimitBytes: 1_000_000,
  lineLimitBytes: 1_000_000,
  resumeLimitBytes: 1_000_000,
  maxSessions: 100,
  maxConnections: 1_000,
  maxChildren: 100,
  childrenPerServer: 100,
  logFormat: 'json',
  quiet: true,
};
