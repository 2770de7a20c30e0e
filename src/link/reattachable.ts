import type { Frame, RequestId } from '../protocol/frame.ts';
import type { Link } from './link.ts';

/**
 * A link that passes from hand to hand: handlers that are set later replace the earlier ones, and whoever asks for the
 * end when that has come is told at once.
 * @param onGone is told of the end whoever holds the link
 */
export function createHandover(link: Link, onGone: () => void = () => {}): Link {
  let onframe: (frame: Frame, about?: RequestId) => void | Promise<void> = () => {};
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
    get can() {
      return link.can;
    },
    send: (frame, about) => link.send(frame, about),
    onframe(handler) {
      onframe = handler;
      if (isReading) return;
      isReading = true;
      link.onframe((frame, about) => onframe(frame, about));
    },
    onend: (handler) => link.onend(handler),
    onclose(handler) {
      onclose = handler;
      if (ended !== undefined) handler(ended.error);
    },
    forget: (id) => link.forget(id),
    close: (reason) => link.close(reason),
  };
}
