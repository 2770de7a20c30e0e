import { isDual, isModernError } from '../../era/handshake.ts';
import { RunError, toRunError } from '../../errors.ts';
import type { Log } from '../../observe/log.ts';
import { RPC } from '../../protocol/constants.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import type { Link } from '../../protocol/link.ts';
import { presentAsLegacy } from '../facade/facade.ts';
import { createHandover } from './handover.ts';
import type { KnownEras } from './known-eras.ts';
import { probeEra } from './probe.ts';

export interface OwnEraOptions {
  readonly server: string;
  /** Ours, for `clientInfo`. */
  readonly version: string;
  /** How long a server may take to say what it is. */
  readonly longestMs?: number;
  readonly known: KnownEras;
  /** Opens another process, for a server that ended when it was asked what it is. */
  readonly reopen: () => Promise<Link>;
  /** Whether the client can be asked something now; yes by default. */
  readonly canAsk?: () => boolean;
  /**
   * Whether a server that nobody knows yet is asked what it is before it gets an `initialize`. Over HTTP, what a modern
   * server makes of one is up to it (2026-07-28, basic/transports/streamable-http, backward compatibility).
   */
  readonly asksFirst?: boolean;
  readonly log: Log;
}

/**
 * A server for a client of the revisions with a handshake. Its `initialize` goes to the server as it is: a server that
 * speaks both eras is never translated, and one that takes it costs nothing more. One that refuses it is asked whether it
 * is modern, and then presented as what the client knows.
 * @param link one that can be handed over
 */
export function ownEraFirst(link: Link, options: OwnEraOptions): Link {
  const { known } = options;
  if (known.legacy === false) return presentAsLegacy(link, options);
  if (known.legacy === true && known.modern === false) return link;

  let current = link;
  let initialize: Frame | undefined;
  let crossing: Promise<void> | undefined;
  let ended: { readonly error: Error | undefined } | undefined;
  let isClosed = false;
  let onframe: (frame: Frame, about?: RequestId) => void | Promise<void> = () => {};
  let onclose: (error?: Error) => void = () => {};

  return {
    peer: 'server',
    era: 'legacy',
    principal: link.principal,
    get can() {
      return current.can;
    },
    send(frame) {
      if (crossing !== undefined) return crossing.then(() => current.send(frame));
      if (frame.method !== 'initialize') return current.send(frame);
      initialize = frame;
      if (options.asksFirst !== true || known.legacy !== undefined || known.modern !== undefined)
        return current.send(frame);
      crossing = ask(frame).finally(() => (crossing = undefined));
      return crossing;
    },
    onframe(handler) {
      onframe = handler;
      link.onframe(receive);
    },
    onend() {},
    onclose(handler) {
      onclose = handler;
      link.onclose(gone);
    },
    forget: (id) => current.forget(id),
    async close(reason) {
      isClosed = true;
      await current.close(reason);
    },
  };

  function receive(frame: Frame, about?: RequestId): void | Promise<void> {
    if (frame.kind !== 'response' || initialize === undefined || frame.id !== initialize.id)
      return onframe(frame, about);
    if (isRefusal(frame) && mayBeModern(frame)) {
      // Not to be waited for: the answer to what is asked now comes by the same way.
      crossing = cross(initialize, frame).finally(() => (crossing = undefined));
      return undefined;
    }
    known.legacy = true;
    // From here on there is nothing to look for.
    link.onframe(onframe);
    return onframe(frame, about);
  }

  async function cross(request: Frame, refusal: Frame): Promise<void> {
    const found = await find();
    if (found === undefined || isClosed) {
      await found?.close();
      link.onframe(receive);
      await onframe(refusal);
      if (ended !== undefined) onclose(ended.error);
      return;
    }
    await translate(found, request);
  }

  async function ask(request: Frame): Promise<void> {
    const verdict = await probeEra(link, options).catch((error: unknown) => toRunError(error));
    if (verdict instanceof RunError) return onclose(verdict);
    link.onclose(gone);
    if (verdict.era === 'gone') return onclose(verdict.error);
    known.modern = verdict.era === 'modern';
    if (verdict.era === 'legacy' || isDual(verdict.answer.message)) {
      link.onframe(receive);
      return await link.send(request);
    }
    const { discovered } = verdict;
    await translate(presentAsLegacy(link, { ...options, ...(discovered && { discovered }) }), request);
  }

  async function translate(modern: Link, request: Frame): Promise<void> {
    known.legacy = false;
    known.modern = true;
    options.log.info(
      { event: 'server.era', era: 'modern' },
      'speaks 2026-07-28 only: translated for older clients',
    );
    current = modern;
    current.onframe((frame, about) => onframe(frame, about));
    current.onclose((error) => onclose(error));
    await current.send(request);
  }

  /** @returns undefined if it is no modern server either */
  async function find(): Promise<Link | undefined> {
    let asked = link;
    let verdict = await probeEra(asked, options).catch((error: unknown) => toRunError(error));
    if (verdict instanceof RunError) {
      ended = { error: verdict };
      return undefined;
    }
    if (verdict.era === 'gone' && !isClosed) {
      ended = { error: verdict.error };
      const again = await options.reopen().catch(() => undefined);
      // What the server has said is the answer, then.
      if (again === undefined) return undefined;
      asked = createHandover(again);
      verdict = await probeEra(asked, options);
      if (verdict.era !== 'modern') await asked.close();
    }
    if (verdict.era !== 'modern') {
      known.modern = false;
      if (asked === link) link.onclose(gone);
      return undefined;
    }
    const { discovered } = verdict;
    return presentAsLegacy(asked, { ...options, ...(discovered !== undefined && { discovered }) });
  }

  /** One that was found to be legacy may have been too slow to say what it is. */
  function mayBeModern({ message: { error } }: Frame): boolean {
    return known.modern !== false || isModernError(error) || error?.code === RPC.methodNotFound;
  }

  function gone(error?: Error): void {
    ended = { error };
    if (crossing === undefined) onclose(error);
  }
}

function isRefusal(answer: Frame): boolean {
  try {
    return answer.message.error !== undefined;
  } catch {
    // What it is worth is for the router to say.
    return false;
  }
}
