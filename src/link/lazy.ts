import { toRunError } from '../errors.ts';
import { faultFrame } from '../protocol/fault.ts';
import type { Frame, RequestId } from '../protocol/frame.ts';
import type { Era, Link } from './link.ts';

/** A link to what is opened by its first frame. When that fails, whoever has asked is told, and the next frame tries again. */
export function lazyLink(era: Era, open: () => Promise<Link>): Link {
  let target: Link | undefined;
  let opening: Promise<void> | undefined;
  let isClosed = false;
  let onframe: (frame: Frame, relatedRequestId?: RequestId) => void | Promise<void> = () => {};
  let onclose: (error?: Error) => void = () => {};

  return {
    peer: 'server',
    era,
    principal: 'child',
    supports: { notifications: true, requests: true },
    send(frame, relatedRequestId) {
      if (target !== undefined) return target.send(frame, relatedRequestId);
      opening ??= start();
      return opening.then(
        () => target?.send(frame, relatedRequestId),
        (error: unknown) =>
          frame.kind === 'request' ? onframe(faultFrame(toRunError(error), frame.id)) : undefined,
      );
    },
    onframe(handler) {
      onframe = handler;
    },
    onend() {},
    onclose(handler) {
      onclose = handler;
    },
    abandonResponse: (id) => target?.abandonResponse(id),
    async close(reason) {
      if (isClosed) return;
      isClosed = true;
      if (target === undefined) onclose();
      else await target.close(reason);
    },
  };

  async function start(): Promise<void> {
    try {
      const link = await open();
      if (isClosed) return await link.close();
      link.onclose((error) => onclose(error));
      link.onframe((frame, relatedRequestId) => onframe(frame, relatedRequestId));
      target = link;
    } catch (error) {
      opening = undefined;
      throw error;
    }
  }
}
