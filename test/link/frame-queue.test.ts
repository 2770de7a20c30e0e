/** Frames keep their order while they wait. */
import { expect, test } from 'vitest';
import { frameOf, type Frame } from '../../src/protocol/frame.ts';
import { createFrameQueue } from '../../src/link/frame-queue.ts';

const [A, B, C] = ['a', 'b', 'c'].map((method) => frameOf({ method })) as [Frame, Frame, Frame];

test('frames pass at once while nothing holds them back', () => {
  const passed: Frame[] = [];
  const inOrder = createFrameQueue((frame) => void passed.push(frame));
  expect(inOrder.pass(A)).toBe(undefined);
  expect(passed).toEqual([A]);
});

test('a frame that comes when the way has just been opened does not overtake those that wait', async () => {
  const passed: Frame[] = [];
  const inOrder = createFrameQueue((frame) => void passed.push(frame));
  const first = Promise.resolve();
  inOrder.holdBack(first);
  void inOrder.pass(A);
  // In the middle of opening, turn by turn.
  for (const frame of [B, C]) {
    await Promise.resolve();
    void inOrder.pass(frame);
  }
  await new Promise(setImmediate);
  expect(passed).toEqual([A, B, C]);
});

test('a frame may close the way for those behind it, also by a promise that fails', async () => {
  const passed: Frame[] = [];
  let fail = (): void => {};
  const inOrder = createFrameQueue((frame) => {
    passed.push(frame);
    if (frame === A)
      inOrder.holdBack(new Promise((_resolve, reject) => (fail = () => reject(new Error('no')))));
  });
  void inOrder.pass(A);
  const turn = inOrder.pass(B);
  void inOrder.pass(C);
  expect(passed).toEqual([A]);
  fail();
  await turn;
  expect(passed).toEqual([A, B, C]);
});

test('senders are asked to wait once there is no room', () => {
  const inOrder = createFrameQueue(() => {}, 1);
  inOrder.holdBack(new Promise(() => {}));
  expect(inOrder.pass(A)).toBe(undefined);
  expect(inOrder.pass(B)).toBeInstanceOf(Promise);
});
