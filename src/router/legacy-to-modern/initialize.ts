import { RunError } from '../../errors.ts';
import { initializeFromDiscover, isDiscoverResult } from '../../era/handshake.ts';
import { isJson, type Json } from '../../era/json.ts';
import { LEGACY_REVISIONS, MODERN_REVISION } from '../../protocol/constants.ts';
import { upstreamError } from '../../protocol/fault.ts';
import type { Frame, JsonRpcMessage } from '../../protocol/frame.ts';

/** A modern server as a legacy client gets to know it. */
export interface InitializeAnswer {
  /** The answer to `initialize`. */
  readonly result: Json;
  readonly revision: string;
  readonly capabilities: Json;
}

const METHOD = 'server/discover';

/** The result of `server/discover`. @throws RunError `UPSTREAM_ERROR`, `MALFORMED_ANSWER` */
export function readDiscovered(server: string, answer: Frame): Json {
  const { error, result } = messageOf(server, answer);
  if (error !== undefined) throw upstreamError(server, METHOD, answer);
  return result ?? {};
}

/**
 * @param server its name, for errors and for a server that does not name itself
 * @throws RunError `NOT_MCP` if it does not speak the one modern revision that is known here
 */
export function initializeAnswer(
  server: string,
  discovered: Json,
  requestedRevision: unknown,
): InitializeAnswer {
  const detail = faultOf(discovered);
  if (detail !== undefined) throw new RunError('NOT_MCP', { server, method: METHOD, detail });
  const result = initializeFromDiscover(discovered, requestedRevision, server);
  const { protocolVersion, capabilities } = result;
  return {
    result,
    revision: typeof protocolVersion === 'string' ? protocolVersion : LEGACY_REVISIONS[0],
    capabilities: isJson(capabilities) ? capabilities : {},
  };
}

function messageOf(server: string, answer: Frame): JsonRpcMessage {
  try {
    return answer.message;
  } catch (error) {
    throw new RunError('MALFORMED_ANSWER', { server, method: METHOD }, { cause: error });
  }
}

function faultOf(discovered: Json): string | undefined {
  if (!isDiscoverResult(discovered)) return 'no DiscoverResult';
  const versions = discovered['supportedVersions'];
  if (!Array.isArray(versions) || versions.includes(MODERN_REVISION)) return undefined;
  return `it speaks ${versions.map(String).join(', ')} and not ${MODERN_REVISION}`;
}
