/**
 * The bundled demo: a small MCP server over stdio, written without an SDK. It shows what a server can do (answer,
 * report progress, ask the user, send a lot, offer a resource and a prompt) and everything it takes to do it.
 */
import { RPC, LEGACY_REVISIONS, isLegacyRevision } from '../protocol/constants.ts';
import { frameOf, parseFrame, type Frame, type JsonRpcMessage } from '../protocol/frame.ts';
import { createLineSplitter } from '../protocol/lines.ts';
import { isRequestId, type RequestId } from '../protocol/request-id.ts';
import { isRunError } from '../errors.ts';

type Json = Record<string, unknown>;

/** What a tool knows about the call it answers. */
interface Call {
  readonly signal: AbortSignal;
  /** Tells the client how far the call is, if the client asked to be told. */
  report(progress: number, total: number): Promise<void>;
}

interface Tool {
  readonly description: string;
  readonly inputSchema: Json;
  run(args: Json, call: Call): Json | Promise<Json>;
}

/** An answer that is an error: the client asked for something wrong, or for something we lack. */
class Refusal extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const MAX_LINE_BYTES = 4 * 1024 * 1024;
const MAX_LARGE_BYTES = 64 * 1024 * 1024;
const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];
const RESOURCE = { uri: 'demo://about', name: 'about', mimeType: 'text/plain' };
const PROMPT = {
  name: 'greet',
  description: 'Asks the model for a greeting',
  arguments: [{ name: 'name', description: 'Who is greeted', required: true }],
};

const TOOLS = new Map<string, Tool>([
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

const METHODS = new Map<string, (params: Json, call: Call) => Json | Promise<Json>>([
  ['initialize', initialize],
  ['ping', () => ({})],
  ['logging/setLevel', setLevel],
  [
    'tools/list',
    () => ({ tools: [...TOOLS].map(([name, { run: _, ...described }]) => ({ name, ...described })) }),
  ],
  ['tools/call', callTool],
  ['resources/list', () => ({ resources: [RESOURCE] })],
  ['resources/templates/list', () => ({ resourceTemplates: [] })],
  ['resources/read', readResource],
  ['prompts/list', () => ({ prompts: [PROMPT] })],
  ['prompts/get', getPrompt],
]);

/** The client's requests that we have not answered yet. */
const pending = new Map<RequestId, AbortController>();
/** Our requests that the client has not answered yet. */
const questions = new Map<RequestId, (answer: JsonRpcMessage) => void>();
let questionCount = 0;
let clientCapabilities: Json = {};
// Quieter than what a tool logs: only a client that asked for logs gets them.
let logLevel = 'warning';

process.stdin.on('data', createLineSplitter(MAX_LINE_BYTES, { line: receive, overflow: refuseLine }));
// With its input at an end, the process ends by itself as soon as it has nothing left to do.
process.stdin.on('end', () => {
  // The user can no longer answer: what waits for an answer would wait for ever.
  for (const [id, settle] of questions)
    settle({ jsonrpc: '2.0', id, error: { code: RPC.internalError, message: 'gone' } });
});

function receive(line: Buffer): void {
  let frame: Frame;
  try {
    frame = parseFrame(line);
  } catch (error) {
    if (!isRunError(error)) throw error;
    void send({ id: null, error: { code: error.rpcCode, message: error.message } });
    return;
  }
  if (frame.kind === 'request' && frame.id !== undefined)
    void answer(frame.id, frame.method ?? '', frame.message);
  else if (frame.kind === 'notification') hear(frame.message);
  else if (frame.id !== undefined) settle(frame.id, frame.message);
}

function refuseLine(): void {
  void send({
    id: null,
    error: { code: RPC.invalidRequest, message: `a line is over ${MAX_LINE_BYTES} bytes` },
  });
}

async function answer(id: RequestId, method: string, message: JsonRpcMessage): Promise<void> {
  const abort = new AbortController();
  pending.set(id, abort);
  const outcome = await run(method, message.params ?? {}, abort.signal);
  pending.delete(id);
  // Nobody waits for the answer to a cancelled request; the specification wants none.
  if (!abort.signal.aborted) await send({ id, ...outcome });
}

async function run(
  method: string,
  params: Json,
  signal: AbortSignal,
): Promise<Pick<JsonRpcMessage, 'result' | 'error'>> {
  try {
    const handler = METHODS.get(method);
    if (handler === undefined) throw new Refusal(RPC.methodNotFound, `Method not found: ${method}`);
    const token = object(params['_meta'])['progressToken'];
    const report = async (progress: number, total: number): Promise<void> => {
      if (token === undefined) return;
      await send({ method: 'notifications/progress', params: { progressToken: token, progress, total } });
    };
    return { result: await handler(params, { signal, report }) };
  } catch (error) {
    const code = error instanceof Refusal ? error.code : RPC.internalError;
    return { error: { code, message: error instanceof Error ? error.message : String(error) } };
  }
}

function hear({ method, params = {} }: JsonRpcMessage): void {
  if (method !== 'notifications/cancelled') return;
  const id = params['requestId'];
  if (isRequestId(id)) pending.get(id)?.abort();
}

function settle(id: RequestId, message: JsonRpcMessage): void {
  questions.get(id)?.(message);
  questions.delete(id);
}

function initialize(params: Json): Json {
  const { protocolVersion, capabilities } = params;
  clientCapabilities = object(capabilities);
  return {
    protocolVersion: isLegacyRevision(protocolVersion) ? protocolVersion : LEGACY_REVISIONS[0],
    capabilities: { tools: {}, resources: {}, prompts: {}, logging: {} },
    serverInfo: { name: 'mcp-run-demo', title: 'mcp-run demo', version: '1.0.0' },
    instructions:
      'A demo. Try the tools echo, progress, ask and large, the resource demo://about and the prompt greet.',
  };
}

function setLevel({ level }: Json): Json {
  if (typeof level !== 'string' || !LEVELS.includes(level)) {
    throw new Refusal(RPC.invalidParams, `level must be one of ${LEVELS.join(', ')}`);
  }
  logLevel = level;
  return {};
}

async function callTool(params: Json, call: Call): Promise<Json> {
  const name = String(params['name']);
  const tool = TOOLS.get(name);
  if (tool === undefined) throw new Refusal(RPC.invalidParams, `Unknown tool: ${name}`);
  log('info', `running ${name}`);
  return await tool.run(object(params['arguments']), call);
}

async function countSteps(args: Json, { signal, report }: Call): Promise<Json> {
  const steps = numberArgument(args, 'steps', 5, 100_000);
  const pauseMs = numberArgument(args, 'pauseMs', 200, 10_000);
  for (let step = 1; step <= steps && !signal.aborted; step++) {
    if (pauseMs > 0) await pause(pauseMs, signal);
    await report(step, steps);
  }
  return text(`took ${steps} steps`);
}

async function askUser(args: Json): Promise<Json> {
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

function readResource({ uri }: Json): Json {
  if (uri !== RESOURCE.uri) throw new Refusal(RPC.invalidParams, `Unknown resource: ${String(uri)}`);
  const { mimeType } = RESOURCE;
  return {
    contents: [
      { uri, mimeType, text: 'mcp-run serves any MCP server over any transport. This is its demo server.' },
    ],
  };
}

function getPrompt(params: Json): Json {
  if (params['name'] !== PROMPT.name)
    throw new Refusal(RPC.invalidParams, `Unknown prompt: ${String(params['name'])}`);
  const name = object(params['arguments'])['name'];
  if (typeof name !== 'string') throw new Refusal(RPC.invalidParams, 'The argument "name" is required');
  const content = { type: 'text', text: `Write a short, friendly greeting for ${name}.` };
  return { description: PROMPT.description, messages: [{ role: 'user', content }] };
}

/** Asks the client something. Its answer may be an error. */
function ask(method: string, params: Json): Promise<JsonRpcMessage> {
  const id = `demo-${++questionCount}`;
  return new Promise((resolve) => {
    questions.set(id, resolve);
    void send({ id, method, params });
  });
}

function log(level: string, data: string): void {
  if (LEVELS.indexOf(level) < LEVELS.indexOf(logLevel)) return;
  void send({ method: 'notifications/message', params: { level, logger: 'demo', data } });
}

/** Resolves when there is room for more: a slow reader must not fill our memory. */
function send(message: Omit<JsonRpcMessage, 'jsonrpc'>): Promise<void> {
  const room = process.stdout.write(Buffer.concat([frameOf(message).bytes, Buffer.from('\n')]));
  return room ? Promise.resolve() : new Promise((resolve) => process.stdout.once('drain', resolve));
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
  });
}

function text(value: string): Json {
  return { content: [{ type: 'text', text: value }] };
}

function input(properties: Json, required: readonly string[] = []): Json {
  return { type: 'object', properties, required };
}

function numberArgument(args: Json, name: string, fallback: number, max: number): number {
  const value = args[name] ?? fallback;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
    throw new Refusal(RPC.invalidParams, `${name} must be a whole number from 0 to ${max}`);
  }
  return value;
}

function object(value: unknown): Json {
  return isObject(value) ? value : {};
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
