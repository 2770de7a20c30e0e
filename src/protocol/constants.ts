/** Names and numbers that the specification fixes. */

/** Revisions with the `initialize` handshake, newest first. */
export const LEGACY_REVISIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const;
export type LegacyRevision = (typeof LEGACY_REVISIONS)[number];

/** The revision with per-request metadata and without a handshake. */
export const MODERN_REVISION = '2026-07-28';

/** Reserved keys of `_meta` (2026-07-28, basic/index, `_meta`; `relatedTask`: 2025-11-25, basic/utilities/tasks). */
export const META = {
  protocolVersion: 'io.modelcontextprotocol/protocolVersion',
  clientCapabilities: 'io.modelcontextprotocol/clientCapabilities',
  clientInfo: 'io.modelcontextprotocol/clientInfo',
  logLevel: 'io.modelcontextprotocol/logLevel',
  serverInfo: 'io.modelcontextprotocol/serverInfo',
  subscriptionId: 'io.modelcontextprotocol/subscriptionId',
  relatedTask: 'io.modelcontextprotocol/related-task',
} as const;

/** What a request without `MCP-Protocol-Version` and without a session speaks (2025-11-25, basic/transports). */
export const DEFAULT_REVISION: LegacyRevision = '2025-03-26';

/** The only revision with JSON-RPC batches. */
export const BATCH_REVISION: LegacyRevision = '2025-03-26';

/** Messages in one batch; the specification sets no bound. */
export const MAX_BATCH = 100;

/** JSON-RPC 2.0, section 5.1, and the codes that MCP adds (2026-07-28, basic/index, error codes). */
export const RPC = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  /** 2025 revisions only. */
  resourceNotFound: -32002,
  headerMismatch: -32020,
  missingClientCapability: -32021,
  unsupportedProtocolVersion: -32022,
  /** 2025-11-25 only. */
  urlElicitationRequired: -32042,
} as const;

export function isLegacyRevision(value: unknown): value is LegacyRevision {
  return LEGACY_REVISIONS.some((revision) => revision === value);
}

/** Severity of `notifications/message`, least first (RFC 5424, section 6.2.1; 2025-11-25, server/utilities/logging). */
export const LOG_LEVELS = [
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
] as const;

/** How the ids of our own requests to a server begin; between them and those of clients there is no mistake. */
export const OWN_ID = 'mcpr:';
/** Of an `initialize` of ours that finds out whether a server accepts one. */
export const OFFER_ID = `${OWN_ID}offer`;

/** Lasts as long as its client likes (2026-07-28, basic/patterns/subscriptions): no deadline, and its end is not awaited. */
export const LISTEN = 'subscriptions/listen';
