import { expect, test } from 'vitest';
import { frameFromBytes } from '../../../src/protocol/frame.ts';
import { outlivedMs } from '../../../src/router/shared-process/outlived.ts';

function outlived(line: string): number {
  const frame = frameFromBytes('response', Buffer.from(`{"jsonrpc":"2.0",${line.slice(1)}`), 1, undefined);
  return outlivedMs({ isError: line.includes('"error":') }, frame);
}

test.each([
  '{"id":1,"result":{}}',
  '{"id":1,"result":{"isError":false,"content":[]}}',
  '{"id":1,"result":{"resultType" : "complete","content":[]}}',
  '{"id":1,"result":{"structuredContent":{"isError":true,"taskId":"t","task":{"taskId":"t"},"resultType":"task"}}}',
  '{"id":1,"result":{"content":[{"type":"text","text":"{\\"isError\\":true}"}]}}',
])('%s is the end of the work', (line) => expect(outlived(line)).toBe(0));

test.each([
  ['{"id":1,"error":{"code":1,"message":""}}', 30_000],
  ['{"id":1,"result":{"content":[],"isError": true}}', 30_000],
  ['{"id":1,"result":{"resultType":"input_required","requestState":"s"}}', 30_000],
  ['{"id":1,"result":{"structuredContent":{"resultType":"complete"},"resultType":"input_required"}}', 30_000],
  ['{"id":1,"result":{"resultType":"complete","isError":true x}}', 30_000],
  ['{"id":1,"result":{"task":{"taskId":"t","status":"working"}}}', 1_800_000],
  ['{"id":1,"result":{"resultType":"task","taskId":"t"}}', 1_800_000],
])('%s may not be the end of the work', (line, ms) => expect(outlived(line)).toBe(ms));
