import { toRunError } from '../errors.ts';
import { faultFrame } from '../protocol/fault.ts';
import type { Frame, RequestId } from '../protocol/frame.ts';
import type { Era, Link } from './link.ts';

/** A link to what is opened by its first frame. When that fails, whoever has asked is told, and the next frame tries again. */
export function deferLink(era: Era, open: () => Promise<Link>): Link {
  let target: Link | undefined;
  let opening: Promise<void> | undefined;
  let isClosed = false;
  let onframe: (frame: Frame, about?: RequestId) => void | Promise<void> = () => {};
  let onclose: (error?: Error) => void = () => {};

  return {
    peer: 'server',
    era,
    principal: 'child',
    can: { push: true, ask: true },
    send(frame, about) {
      if (target !== undefined) return target.send(frame, about);
      opening ??= start();
      return opening.then(
        () => target?.send(frame, about),
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
    forget: (id) => target?.forget(id),
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
      link.onframe((frame, about) => onframe(frame, about));
      target = link;
    } catch (error) {
      opening = undefined;
      throw error;
    }
  }
}
