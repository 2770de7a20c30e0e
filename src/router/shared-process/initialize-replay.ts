import { LEGACY_REVISIONS } from '../../protocol/constants.ts';
import { frameOf, type Frame, type JsonRpcMessage } from '../../protocol/frame.ts';

/**
 * The child's own answer to `initialize` for one more client: in the revision that it asked for if that is an older
 * one, and without tasks, of which the child could not tell whose they are.
 */
export function replayInitialize(initialized: JsonRpcMessage, request: Frame): Frame {
  const { result = {} } = initialized;
  const { tasks: _tasks, ...capabilities } = capabilitiesOf(initialized);
  const protocolVersion = revisionFor(request.message.params?.['protocolVersion'], result['protocolVersion']);
  return frameOf({ id: request.id ?? null, result: { ...result, protocolVersion, capabilities } });
}

export function hasLogging(initialized: JsonRpcMessage): boolean {
  return 'logging' in capabilitiesOf(initialized);
}

/** Newest first: the older of the two is the one further down. */
function revisionFor(requested: unknown, negotiated: unknown): unknown {
  const revisions: readonly unknown[] = LEGACY_REVISIONS;
  return revisions.indexOf(requested) > revisions.indexOf(negotiated) ? requested : negotiated;
}

function capabilitiesOf({ result }: JsonRpcMessage): Record<string, unknown> {
  const capabilities = result?.['capabilities'];
  return typeof capabilities === 'object' && capabilities !== null ? { ...capabilities } : {};
}
