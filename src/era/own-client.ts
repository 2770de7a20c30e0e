/** How mcp-run introduces itself to a server, or a client that it speaks for. */
import { LEGACY_REVISIONS, MODERN_REVISION } from '../protocol/constants.ts';
import type { Envelope } from './envelope.ts';
import type { Json } from './json.ts';

/** Params of an `initialize` request on behalf of a client (2025-11-25, basic/lifecycle). */
export function legacyInitializeParams(capabilities: Json, clientInfo: Json): Json {
  return { protocolVersion: LEGACY_REVISIONS[0], capabilities, clientInfo };
}

/**
 * Params of an `initialize` request of our own. Without capabilities a server has no reason to send requests.
 * @param version of mcp-run
 */
export function ownInitializeParams(version: string): Json {
  return legacyInitializeParams({}, ownClientInfo(version));
}

/** Metadata of a request of our own (2026-07-28, basic/index, `_meta`). @param version of mcp-run */
export function ownEnvelope(version: string, protocolVersion: string = MODERN_REVISION): Envelope {
  return { protocolVersion, clientCapabilities: {}, clientInfo: ownClientInfo(version), logLevel: undefined };
}

/** @param version of mcp-run */
export function ownClientInfo(version: string): Json {
  return { name: 'mcp-run', version };
}
