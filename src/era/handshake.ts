import { isLegacyRevision, LEGACY_REVISIONS, META, MODERN_REVISION, RPC } from '../protocol/constants.ts';
import type { JsonRpcMessage } from '../protocol/frame.ts';
import {
  toLegacyServerCapabilities,
  toModernClientCapabilities,
  toModernServerCapabilities,
} from './capabilities.ts';
import type { Envelope } from './envelope.ts';
import { isJson, jsonOf, withMeta, without, type Json } from './json.ts';

export { legacyInitializeParams } from './own-client.ts';

const [NEWEST_LEGACY] = LEGACY_REVISIONS;
const MODERN_ERRORS: ReadonlySet<unknown> = new Set([
  RPC.headerMismatch,
  RPC.missingClientCapability,
  RPC.unsupportedProtocolVersion,
]);

/**
 * A server's answer to `initialize` as one to `server/discover` (2026-07-28, server/discover). Not to be cached: it may
 * depend on who asks.
 */
export function discoverFromInitialize(initializeResult: Json): Json {
  const { protocolVersion, capabilities, serverInfo, _meta } = initializeResult;
  const rest = without(initializeResult, 'protocolVersion', 'capabilities', 'serverInfo', '_meta');
  const meta = { ...jsonOf(_meta), ...(isJson(serverInfo) && { [META.serverInfo]: serverInfo }) };
  const result = {
    ...rest,
    resultType: 'complete',
    // Its own as well: who speaks that need not have it translated.
    supportedVersions: [MODERN_REVISION, ...(isLegacyRevision(protocolVersion) ? [protocolVersion] : [])],
    capabilities: toModernServerCapabilities(jsonOf(capabilities)),
    ttlMs: 0,
    cacheScope: 'private',
  };
  return withMeta(result, meta);
}

/**
 * A server's answer to `server/discover` as one to `initialize` (2025-11-25, basic/lifecycle).
 * @param requestedRevision what the client asked for; the newest one with a handshake if that is none
 * @param fallbackName of a server that does not say its own
 */
export function initializeFromDiscover(
  discoverResult: Json,
  requestedRevision: unknown,
  fallbackName: string,
): Json {
  const { capabilities, _meta } = discoverResult;
  const meta = jsonOf(_meta);
  const serverInfo = meta[META.serverInfo];
  const rest = without(
    discoverResult,
    ...['resultType', 'supportedVersions', 'capabilities', 'ttlMs', 'cacheScope', '_meta'],
  );
  const result = {
    protocolVersion: isLegacyRevision(requestedRevision) ? requestedRevision : NEWEST_LEGACY,
    capabilities: toLegacyServerCapabilities(jsonOf(capabilities)),
    serverInfo: isJson(serverInfo) ? serverInfo : { name: fallbackName, version: '0' },
    ...rest,
  };
  return withMeta(result, without(meta, META.serverInfo));
}

/** What a server of 2026-07-28 is told about a client that has sent `initialize`. */
export function envelopeOf(initializeParams: Json): Envelope {
  const { capabilities, clientInfo } = initializeParams;
  return {
    protocolVersion: MODERN_REVISION,
    clientCapabilities: toModernClientCapabilities(jsonOf(capabilities)),
    clientInfo: isJson(clientInfo) ? clientInfo : undefined,
    logLevel: undefined,
  };
}

/** Whether a server lists a revision with `initialize`. Servers of both eras may list the others only. @param answer to `server/discover` */
export function isDual({ result, error }: JsonRpcMessage): boolean {
  const versions = result?.['supportedVersions'] ?? jsonOf(error?.data)['supported'];
  return Array.isArray(versions) && versions.some(isLegacyRevision);
}

/** Whether an answer to `initialize` names a revision that has no handshake: a server of such revisions alone may do so. */
export function isModernRevision(revision: unknown): boolean {
  return typeof revision === 'string' && /^\d{4}-\d\d-\d\d$/.test(revision) && revision >= MODERN_REVISION;
}

export function isDiscoverResult(result: unknown): boolean {
  return isJson(result) && Array.isArray(result['supportedVersions']) && isJson(result['capabilities']);
}

/** An error that no server of a 2025 revision answers with (2026-07-28, basic/versioning, backward compatibility). */
export function isModernError(error: unknown): boolean {
  return isJson(error) && MODERN_ERRORS.has(error['code']);
}
