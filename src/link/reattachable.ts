import type { Frame, RequestId } from '../protocol/frame.ts';
import type { Link } from './link.ts';

/**
 * A link that passes from hand to hand: handlers that are set later replace the earlier ones, and whoever asks for the
 * end when that has come is told at once.
 * @param onGone is told of the end whoever holds the link
 */
export function reattachable(link: Link, onGone: () => void = () => {}): Link {
  let onframe: (frame: Frame, relatedRequestId?: RequestId) => void | Promise<void> = () => {};
  let onclose: (error?: Error) => void = () => {};
  let isReading = false;
  let ended: { readonly error: Error | undefined } | undefined;

  link.onclose((error) => {
    ended = { error };
    onGone();
    onclose(error);
  });

  return {
    peer: link.peer,
    era: link.era,
    principal: link.principal,
    get supports() {
      return link.supports;
    },
    send: (frame, relatedRequestId) => link.send(frame, relatedRequestId),
    onframe(handler) {
      onframe = handler;
      if (isReading) return;
      isReading = true;
      link.onframe((frame, relatedRequestId) => onframe(frame, relatedRequestId));
    },
    onend: (handler) => link.onend(handler),
    onclose(handler) {
      onclose = handler;
      if (ended !== undefined) handler(ended.error);
    },
    abandonResponse: (id) => link.abandonResponse(id),
    close: (reason) => link.close(reason),
  };
}
