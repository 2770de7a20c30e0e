import type { Frame, RequestId } from '../../protocol/frame.ts';
import type { Link } from '../../link/link.ts';

/** Requests without an answer that are remembered for each link. */
const MAX_LISTING = 1_000;

/** The same link of a client; `onTools` is called with each answer to a `tools/list`. */
export function observeTools(link: Link, onTools: (answer: Frame) => void): Link {
  const listing = new Set<RequestId>();

  return {
    peer: link.peer,
    era: link.era,
    principal: link.principal,
    get supports() {
      return link.supports;
    },
    send(frame, relatedRequestId) {
      if (frame.kind === 'response' && frame.id !== undefined && listing.delete(frame.id)) onTools(frame);
      return link.send(frame, relatedRequestId);
    },
    onframe(handler) {
      link.onframe((frame, relatedRequestId) => {
        if (frame.method === 'tools/list' && frame.id !== undefined && listing.size < MAX_LISTING)
          listing.add(frame.id);
        return handler(frame, relatedRequestId);
      });
    },
    onend: (handler) => link.onend(handler),
    onclose: (handler) => link.onclose(handler),
    abandonResponse(id) {
      listing.delete(id);
      link.abandonResponse(id);
    },
    close: (reason) => link.close(reason),
  };
}
