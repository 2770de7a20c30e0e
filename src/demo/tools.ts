import { sleep, type Clock } from '../clock.ts';
import type { JsonRpcMessage } from '../protocol/frame.ts';
import { numberArgument, object, text, type Json } from './arguments.ts';

/** What a tool knows of the call that it answers. */
export interface Call {
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly clientCapabilities: Json;
  /** Tells the client how far the call is, if its request has a progress token. */
  report(progress: number, total: number): Promise<void>;
  /** Sends the client a request. Its answer may be an error. */
  ask(method: string, params: Json): Promise<JsonRpcMessage>;
}

interface Tool {
  readonly description: string;
  readonly inputSchema: Json;
  run(args: Json, call: Call): Json | Promise<Json>;
}

const MAX_LARGE_BYTES = 64 * 1024 * 1024;

export const TOOLS: ReadonlyMap<string, Tool> = new Map<string, Tool>([
  [
    'echo',
    {
      description: 'Answers with the text it was given',
      inputSchema: input({ text: { type: 'string' } }, ['text']),
      run: (args) => text(String(args['text'] ?? '')),
    },
  ],
  [
    'progress',
    {
      description: 'Takes a number of steps and reports each',
      inputSchema: input({
        steps: { type: 'integer', minimum: 1, maximum: 100_000, default: 5 },
        pauseMs: { type: 'integer', minimum: 0, maximum: 10_000, default: 200 },
      }),
      run: countSteps,
    },
  ],
  [
    'ask',
    {
      description: 'Asks the user a question and answers with their answer',
      inputSchema: input({ question: { type: 'string', default: 'What is your name?' } }),
      run: askUser,
    },
  ],
  [
    'large',
    {
      description: 'Answers with a text of the given size',
      inputSchema: input({
        bytes: { type: 'integer', minimum: 0, maximum: MAX_LARGE_BYTES, default: 1_000_000 },
      }),
      run: (args) => text('x'.repeat(numberArgument(args, 'bytes', 1_000_000, MAX_LARGE_BYTES))),
    },
  ],
]);

async function countSteps(args: Json, { signal, clock, report }: Call): Promise<Json> {
  const steps = numberArgument(args, 'steps', 5, 100_000);
  const pauseMs = numberArgument(args, 'pauseMs', 200, 10_000);
  for (let step = 1; step <= steps && !signal.aborted; step++) {
    if (pauseMs > 0) await pause(pauseMs, signal, clock);
    await report(step, steps);
  }
  return text(`took ${steps} steps`);
}

async function askUser(args: Json, { clientCapabilities, ask }: Call): Promise<Json> {
  if (clientCapabilities['elicitation'] === undefined) {
    return {
      ...text('This client cannot ask its user: it did not declare the "elicitation" capability.'),
      isError: true,
    };
  }
  const answer = await ask('elicitation/create', {
    message: String(args['question'] ?? 'What is your name?'),
    requestedSchema: { type: 'object', properties: { answer: { type: 'string' } }, required: ['answer'] },
  });
  if (answer.error !== undefined)
    return { ...text(`The question failed: ${answer.error.message}`), isError: true };
  if (answer.result?.['action'] !== 'accept') return text('The user did not answer.');
  return text(`The user answered: ${String(object(answer.result['content'])['answer'])}`);
}

/** Ends early, without an error, when the call is cancelled. */
function pause(ms: number, signal: AbortSignal, clock: Clock): Promise<void> {
  return sleep(clock, ms, signal).catch(() => {});
}

function input(properties: Json, required: readonly string[] = []): Json {
  return { type: 'object', properties, required };
}
