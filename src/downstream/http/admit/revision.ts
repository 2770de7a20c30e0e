import type { IncomingMessage } from 'node:http';
import { RunError } from '../../../errors.ts';
import {
  BATCH_REVISION,
  isLegacyRevision,
  LEGACY_REVISIONS,
  MAX_BATCH,
  type LegacyRevision,
} from '../../../protocol/constants.ts';
import type { Frame } from '../../../protocol/frame.ts';

/**
 * `MCP-Protocol-Version` (2025-11-25, basic/transports): absent is fine, unknown is not.
 * @throws RunError `UNSUPPORTED_PROTOCOL_VERSION`
 */
export function requireRevision(request: IncomingMessage): LegacyRevision | undefined {
  const requested = request.headers['mcp-protocol-version'];
  if (requested === undefined || isLegacyRevision(requested)) return requested;
  throw new RunError('UNSUPPORTED_PROTOCOL_VERSION', {
    requested: String(requested),
    supported: LEGACY_REVISIONS.join(', '),
  });
}

/**
 * Whether an array of messages may be sent (2025-03-26, basic/transports; removed in 2025-06-18).
 * @throws RunError `INVALID_REQUEST`
 */
export function requireBatch(frames: readonly Frame[], revision: LegacyRevision): void {
  const fault = findFault(frames, revision);
  if (fault !== undefined) throw new RunError('INVALID_REQUEST', { detail: fault });
}

function findFault(frames: readonly Frame[], revision: LegacyRevision): string | undefined {
  if (frames.length === 0) return 'the batch is empty';
  if (frames.length > MAX_BATCH) return `more than ${MAX_BATCH} messages`;
  if (frames.some((frame) => frame.method === 'initialize')) return 'initialize must not be in a batch';
  return revision === BATCH_REVISION ? undefined : `revision ${revision} has no batches`;
}
