import { asBuffer } from '../../protocol/bytes.ts';
import { frameFromBytes, type Frame } from '../../protocol/frame.ts';
import { membersOf, readMembers, valueOf, without, writeObject } from '../../protocol/json-object.ts';

const TASK = new Set(['task']);

/** The same request as an ordinary one (2025-11-25, basic/utilities/tasks: a receiver without tasks ignores that it asks for one). */
export function withoutTask(frame: Frame): Frame {
  const message = readMembers(asBuffer(frame.bytes)) ?? [];
  const params = writeObject(without(membersOf(valueOf(message, 'params')), TASK));
  const bytes = writeObject(
    message.map(({ key, value }) => ({ key, value: key === 'params' ? params : value })),
  );
  return frameFromBytes(frame.kind, bytes, frame.id, frame.method);
}
