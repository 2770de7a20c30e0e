/** A port whose server is the test. */
import { RunError } from '../../../src/errors.ts';
import type { Frame } from '../../../src/protocol/frame.ts';
import { ClientPort } from '../../../src/router/shared-process/client-port.ts';
import { SendBufferLimit } from '../../../src/router/shared-process/send-buffer-limit.ts';
import { createRecordingLog } from '../../observe/recording-log.ts';

export const CLOSED = new RunError('UPSTREAM_CLOSED', { server: 'files' });

export class TestPort extends ClientPort {
  readonly era = 'modern';
  readonly received: Frame[] = [];
  leaves = 0;
  /** What its server does with a message. */
  receive: (frame: Frame) => void | Promise<void> = (frame) => void this.received.push(frame);

  constructor(unread = new SendBufferLimit(Infinity, createRecordingLog())) {
    super({ principalId: 'one', unread, closed: CLOSED });
  }

  protected override fromClient(frame: Frame): void | Promise<void> {
    return this.receive(frame);
  }

  protected override onLeave(): void {
    this.leaves += 1;
  }
}
