import { isRunError, RunError, toRunError } from '../errors.ts';
import { OFFER_ID } from '../protocol/constants.ts';
import type { Link } from './link.ts';

export interface HealthObserver {
  /** The first answer, which is that to `initialize`. */
  answered(): void;
  /** The first answer after that: the server has started. */
  proved(): void;
  /** Whether a process that ends at `server/discover` has not failed to start: some do at what they do not know. */
  forgives(): boolean;
  /** The link is gone. `isFailedStart`: it died, or was too slow, before it had proved itself. */
  gone(error: RunError, isFailedStart: boolean): void;
}

/** A link to a server that passes everything on and tells `observer` how the server fares. */
export function observeHealth(link: Link, observer: HealthObserver): Link {
  let answers = 0;
  /** What it was asked last. */
  let asked: string | undefined;
  let isOffer = false;
  /** Why we ended it, if it was us. */
  let reason: { readonly error: Error | undefined } | undefined;
  let ended: { readonly error: Error | undefined } | undefined;
  let onclose: ((error?: Error) => void) | undefined;

  link.onclose((error) => {
    ended = { error };
    const cause = error === undefined ? new RunError('UPSTREAM_CLOSED', { server: '' }) : toRunError(error);
    if (hasDeclined(cause)) observer.gone(new RunError('UPSTREAM_CLOSED', { server: '' }), false);
    else if (isUseless()) observer.gone(toRunError(reason?.error), true);
    else observer.gone(cause, hasFailed(cause));
    onclose?.(error);
  });

  return {
    peer: link.peer,
    era: link.era,
    principal: link.principal,
    get supports() {
      return link.supports;
    },
    send(frame, relatedRequestId) {
      if (answers < 2 && frame.kind === 'request') {
        asked = frame.method;
        isOffer = frame.id === OFFER_ID;
      }
      return link.send(frame, relatedRequestId);
    },
    onframe(handler) {
      link.onframe((frame, relatedRequestId) => {
        if (answers < 2 && frame.kind === 'response') heard();
        return handler(frame, relatedRequestId);
      });
    },
    onend: (handler) => link.onend(handler),
    onclose(handler) {
      onclose = handler;
      if (ended !== undefined) handler(ended.error);
    },
    abandonResponse: (id) => link.abandonResponse(id),
    close(error) {
      reason ??= { error };
      return link.close(error);
    },
  };

  /** That it has answered what it is, is no proof that it works: it may have refused `initialize` before. */
  function heard(): void {
    if (answers === 0 || asked !== 'server/discover') count();
  }

  function count(): void {
    answers += 1;
    if (answers === 1) observer.answered();
    else observer.proved();
  }

  /** A server that ends at a question of the other era has given an answer of a kind: its next process is not asked. */
  function hasFailed({ code }: RunError): boolean {
    if (reason !== undefined || answers > 1 || code === 'UPSTREAM_CLOSED') return false;
    return asked !== 'server/discover' || code !== 'UPSTREAM_EXITED' || !observer.forgives();
  }

  /** A remote server without handshake may refuse our offer of one by a status alone: it answers, and has shown what it is. */
  function hasDeclined({ code, fields }: RunError): boolean {
    return isOffer && code === 'UPSTREAM_HTTP' && Number(fields['status']) < 500;
  }

  /** It did not answer `initialize` in time, or refused what every client would send, and was ended for that. */
  function isUseless(): boolean {
    if (answers > 1) return false;
    if (isRunError(reason?.error, 'REQUEST_TIMEOUT')) return answers === 0;
    return isRunError(reason?.error, 'UPSTREAM_ERROR') || isRunError(reason?.error, 'MALFORMED_ANSWER');
  }
}
