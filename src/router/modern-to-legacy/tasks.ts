import { jsonOf, isJson, type Json } from '../../era/json.ts';
import { RPC } from '../../protocol/constants.ts';
import { frameOf, type Frame } from '../../protocol/frame.ts';
import { member } from '../../protocol/json-object.ts';
import type { PendingCall } from './pending-call.ts';
import { legacyRequest } from './request.ts';

/** How long a server keeps the result of a task: as long as a request may take. */
const TTL_MS = 30 * 60_000;

/**
 * Whether a server refuses a call because the tool runs as a task only: it must then answer "method not found"
 * (2025-11-25, basic/utilities/tasks, tool-level negotiation). Clients of 2026-07-28 know of no such tasks.
 */
export function needsTask({ request, task }: PendingCall, error: unknown, introduction: Json): boolean {
  if (request.method !== 'tools/call' || task !== undefined || jsonOf(error)['code'] !== RPC.methodNotFound)
    return false;
  const { requests } = jsonOf(jsonOf(introduction['capabilities'])['tasks']);
  return isJson(jsonOf(jsonOf(requests)['tools'])['call']);
}

/** The same call as a task. */
export function taskRequest(call: PendingCall): Frame {
  return legacyRequest(call.request, call.number, [member('task', { ttl: TTL_MS })]);
}

/** Waits for the result of a task. */
export function taskResultRequest(call: PendingCall, taskId: string): Frame {
  return frameOf({ id: call.number, method: 'tasks/result', params: { taskId } });
}

/** @returns undefined if the call has run without becoming a task */
export function taskIdOf(answer: Frame): string | undefined {
  const { taskId } = jsonOf(jsonOf(answer.message.result)['task']);
  return typeof taskId === 'string' ? taskId : undefined;
}
