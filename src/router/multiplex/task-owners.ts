import { jsonOf } from '../../era/json.ts';
import type { Frame } from '../../protocol/frame.ts';

const MAX_TASKS = 1_024;
const TASK_ID = Buffer.from('"taskId"');

/** The principals that the tasks of a shared process were begun for: a server may count its tasks, so that ids can be guessed. */
export class TaskOwners {
  readonly #owners = new Map<string, string>();

  /** Reads the answer to a call that may have become a task. */
  learn(answer: Frame, principalId: string): void {
    const { bytes } = answer;
    if (!Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(TASK_ID)) return;
    const taskId = taskIdOf(answer);
    if (taskId === undefined || this.#owners.has(taskId)) return;
    this.#owners.set(taskId, principalId);
    const [oldest] = this.#owners.keys();
    if (this.#owners.size > MAX_TASKS && oldest !== undefined) this.#owners.delete(oldest);
  }

  /** Whether a request is about a task of another principal, or about the tasks of all. */
  isForeign({ method, message }: Frame, principalId: string): boolean {
    if (method?.startsWith('tasks/') !== true) return false;
    const { taskId } = jsonOf(message.params);
    return typeof taskId !== 'string' || this.#owners.get(taskId) !== principalId;
  }

  /** The process is gone, and its tasks with it. */
  clear(): void {
    this.#owners.clear();
  }
}

function taskIdOf(answer: Frame): string | undefined {
  try {
    const result = jsonOf(answer.message.result);
    const { taskId = jsonOf(result['task'])['taskId'] } = result;
    return typeof taskId === 'string' ? taskId : undefined;
  } catch {
    return undefined;
  }
}
