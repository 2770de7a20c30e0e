import { jsonOf } from '../../era/json.ts';
import type { Frame } from '../../protocol/frame.ts';
import { asBuffer } from '../../protocol/bytes.ts';
import { QUARANTINE_MS } from './attribution.ts';
import { textOf, type Scanned } from '../../protocol/rewrite.ts';

/** A task may run as long as a request may. */
const TASK_MS = 30 * 60_000;
/** The members of a result that say that it is not the end of the work. */
const SIGNS = ['"isError"', '"task"', '"taskId"'].map((sign) => Buffer.from(sign));
const RESULT_TYPE = Buffer.from('"resultType"');
const COMPLETE = /^\s*:\s*"complete"/;
const COMPLETE_BYTES = 32;

/**
 * How long a process may still work for a call that it has answered so: a tool that failed may have been given up by the
 * server only, a demand for input (2026-07-28, basic/patterns/mrtr) leaves it half done, and a task goes on by itself.
 * @param scanned the answer, if it has been scanned; otherwise only whether it is an error
 */
export function outlivedMs(scanned: Scanned | { readonly isError: boolean }, frame: Frame): number {
  if (scanned.isError) return QUARANTINE_MS;
  // A result may be large: it is parsed only if it may say so.
  const isPlain = 'result' in scanned ? isComplete(scanned) : isPlainResult(asBuffer(frame.bytes));
  if (isPlain) return 0;
  try {
    const result = jsonOf(frame.message.result);
    const { resultType = 'complete' } = result;
    if (resultType === 'task' || typeof jsonOf(result['task'])['taskId'] === 'string') return TASK_MS;
    return result['isError'] === true || resultType !== 'complete' ? QUARANTINE_MS : 0;
  } catch {
    return QUARANTINE_MS;
  }
}

/** Whether no member of the result says that it is not the end of the work. */
function isComplete(scanned: Scanned): boolean {
  const { result } = scanned;
  if (result === undefined) return false;
  for (const member of result) {
    const { key } = member;
    if (key === 'task') return false;
    if (key === 'isError' && textOf(scanned, member) !== 'false') return false;
    if (key === 'resultType' && textOf(scanned, member) !== '"complete"') return false;
  }
  return true;
}

function isPlainResult(bytes: Buffer): boolean {
  if (SIGNS.some((sign) => bytes.includes(sign))) return false;
  const at = bytes.indexOf(RESULT_TYPE);
  if (at === -1) return true;
  const end = at + RESULT_TYPE.length;
  return (
    COMPLETE.test(bytes.toString('latin1', end, end + COMPLETE_BYTES)) && !bytes.includes(RESULT_TYPE, end)
  );
}
