import { withEnvelope } from '../../era/envelope.ts';
import { isModernError } from '../../era/handshake.ts';
import { jsonOf } from '../../era/json.ts';
import { ownEnvelope, ownInitializeParams } from '../../era/own-client.ts';
import type { Clock } from '../../clock.ts';
import { RunError } from '../../errors.ts';
import { Requester } from '../../link/requester.ts';
import { isLegacyRevision, LEGACY_REVISIONS, OFFER_ID, RPC } from '../../protocol/constants.ts';
import { frameOf, type Frame, type JsonRpcMessage } from '../../protocol/frame.ts';
import type { Link } from '../../link/link.ts';
import { FINAL_STATUS, messageOf } from './detect-era.ts';

/** `refused`: for good, by a server without handshake. `failed`: another try may end otherwise. `silent`: no answer in time. */
export type OfferOutcome = 'accepted' | 'refused' | 'failed' | 'silent';

/**
 * Sends an `initialize` of our own over a link of its own, and ends that link. Servers of both eras may list modern
 * revisions only, so that nothing else tells them from those without a handshake. It carries metadata and headers as all
 * requests to a modern server have to, but those of a legacy revision.
 * @param version ours, for `clientInfo`
 * @param limitMs how long the answer may take
 */
export async function offerInitialize(
  link: Link,
  version: string,
  limitMs: number,
  clock: Clock,
): Promise<OfferOutcome> {
  const requester = new Requester({ link, idOf: String, clock });
  // A refusal without JSON-RPC ends a link to a remote server.
  link.onclose((error) => requester.close(error ?? new RunError('UPSTREAM_CLOSED', { server: '' })));
  link.onframe((frame) => requester.receive(frame));
  const outcome = await outcomeOf(requester, offer(version), limitMs);
  await link.close();
  return outcome;
}

async function outcomeOf(
  requester: Requester<string>,
  request: Frame,
  limitMs: number,
): Promise<OfferOutcome> {
  const silence = new RunError('REQUEST_TIMEOUT', { server: '', method: 'initialize', timeoutMs: limitMs });
  try {
    return verdictOf(
      messageOf(await requester.request(request, { timeoutMs: limitMs, timeoutError: () => silence })),
    );
  } catch (error) {
    if (error === silence) return 'silent';
    return error instanceof Error && FINAL_STATUS.test(error.message) ? 'refused' : 'failed';
  }
}

/** Whether a refusal of `initialize` says for good that the server has no handshake. */
export function isFinalRefusal({ error }: JsonRpcMessage): boolean {
  if (error === undefined) return true;
  const { reason, supported } = jsonOf(error.data);
  if (Array.isArray(supported) && supported.some(isLegacyRevision)) return false;
  if (isModernError(error) || error.code === RPC.methodNotFound) return true;
  return reason === 'upstream_http' && FINAL_STATUS.test(error.message);
}

function verdictOf(answer: JsonRpcMessage | undefined): OfferOutcome {
  if (answer === undefined) return 'failed';
  if (isLegacyRevision(answer.result?.['protocolVersion'])) return 'accepted';
  return isFinalRefusal(answer) ? 'refused' : 'failed';
}

function offer(version: string): Frame {
  const params = ownInitializeParams(version);
  return frameOf(
    withEnvelope(
      { jsonrpc: '2.0', id: OFFER_ID, method: 'initialize', params },
      ownEnvelope(version, LEGACY_REVISIONS[0]),
    ),
  );
}
