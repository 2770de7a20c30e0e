import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../clock.ts';
import { isRunError } from '../errors.ts';
import { isLegacyRevision, LEGACY_REVISIONS, RPC } from '../protocol/constants.ts';
import { frameOf, parseFrame, type Frame, type JsonRpcMessage } from '../protocol/frame.ts';
import { createLineSplitter } from '../protocol/lines.ts';
import { isRequestId, type RequestId } from '../protocol/request-id.ts';
import { object, Refusal, type Json } from './arguments.ts';
import { TOOLS, type Call } from './tools.ts';

type Outcome = Pick<JsonRpcMessage, 'result' | 'error'>;

const MAX_LINE_BYTES = 4 * 1024 * 1024;
const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];
const RESOURCE = { uri: 'demo://about', name: 'about', mimeType: 'text/plain' };
const PROMPT = {
  name: 'greet',
  description: 'Asks the model for a greeting',
  arguments: [{ name: 'name', description: 'Who is greeted', required: true }],
};

/** A small MCP server of the revisions up to 2025-11-25 over stdio. */
export class DemoServer {
  readonly #input: Readable;
  readonly #output: Writable;
  readonly #clock: Clock;
  /** The client's requests that are not answered yet. */
  readonly #pending = new Map<RequestId, AbortController>();
  /** Requests of the server that the client has not answered yet. */
  readonly #asked = new Map<RequestId, (answer: JsonRpcMessage) => void>();
  #askedCount = 0;
  #clientCapabilities: Json = {};
  // Quieter than what a tool logs: only a client that asked for logs gets them.
  #logLevel = 'warning';

  constructor(input: Readable, output: Writable, clock: Clock) {
    this.#input = input;
    this.#output = output;
    this.#clock = clock;
  }

  /** With its input at an end, the process ends by itself as soon as it has nothing left to do. */
  start(): void {
    const splitter = createLineSplitter(MAX_LINE_BYTES, {
      line: (line) => this.#receive(line),
      overflow: () => this.#refuseLine(),
    });
    this.#input.on('data', splitter);
    this.#input.on('end', () => this.#inputEnded());
  }

  /** The user can no longer answer: a call that waits for an answer would wait for ever. */
  #inputEnded(): void {
    for (const [id, settle] of this.#asked)
      settle({ jsonrpc: '2.0', id, error: { code: RPC.internalError, message: 'gone' } });
  }

  #receive(line: Buffer): void {
    let frame: Frame;
    try {
      frame = parseFrame(line);
    } catch (error) {
      if (!isRunError(error)) throw error;
      void this.#send({ id: null, error: { code: error.rpcCode, message: error.message } });
      return;
    }
    const { kind, id, method = '', message } = frame;
    if (kind === 'request' && id !== undefined) void this.#answer(id, method, message);
    else if (kind === 'notification') this.#notified(message);
    else if (id !== undefined) this.#settle(id, message);
  }

  #refuseLine(): void {
    const message = `a line is over ${MAX_LINE_BYTES} bytes`;
    void this.#send({ id: null, error: { code: RPC.invalidRequest, message } });
  }

  async #answer(id: RequestId, method: string, message: JsonRpcMessage): Promise<void> {
    const abort = new AbortController();
    this.#pending.set(id, abort);
    const outcome = await this.#run(method, message.params ?? {}, abort.signal);
    this.#pending.delete(id);
    // A cancelled request gets no answer (2025-11-25, basic/utilities/cancellation).
    if (!abort.signal.aborted) await this.#send({ id, ...outcome });
  }

  async #run(method: string, params: Json, signal: AbortSignal): Promise<Outcome> {
    try {
      return { result: await this.#handle(method, params, signal) };
    } catch (error) {
      const code = error instanceof Refusal ? error.code : RPC.internalError;
      return { error: { code, message: error instanceof Error ? error.message : String(error) } };
    }
  }

  #handle(method: string, params: Json, signal: AbortSignal): Json | Promise<Json> {
    switch (method) {
      case 'initialize':
        return this.#initialize(params);
      case 'ping':
        return {};
      case 'logging/setLevel':
        return this.#setLevel(params);
      case 'tools/list':
        return { tools: [...TOOLS].map(([name, { run: _, ...described }]) => ({ name, ...described })) };
      case 'tools/call':
        return this.#callTool(params, signal);
      case 'resources/list':
        return { resources: [RESOURCE] };
      case 'resources/templates/list':
        return { resourceTemplates: [] };
      case 'resources/read':
        return readResource(params);
      case 'prompts/list':
        return { prompts: [PROMPT] };
      case 'prompts/get':
        return getPrompt(params);
      default:
        throw new Refusal(RPC.methodNotFound, `Method not found: ${method}`);
    }
  }

  #notified({ method, params = {} }: JsonRpcMessage): void {
    if (method !== 'notifications/cancelled') return;
    const id = params['requestId'];
    if (isRequestId(id)) this.#pending.get(id)?.abort();
  }

  #settle(id: RequestId, message: JsonRpcMessage): void {
    this.#asked.get(id)?.(message);
    this.#asked.delete(id);
  }

  #initialize({ protocolVersion, capabilities }: Json): Json {
    this.#clientCapabilities = object(capabilities);
    return {
      protocolVersion: isLegacyRevision(protocolVersion) ? protocolVersion : LEGACY_REVISIONS[0],
      capabilities: { tools: {}, resources: {}, prompts: {}, logging: {} },
      serverInfo: { name: 'mcp-run-demo', title: 'mcp-run demo', version: '1.0.0' },
      instructions:
        'A demo. Try the tools echo, progress, ask and large, the resource demo://about and the prompt greet.',
    };
  }

  #setLevel({ level }: Json): Json {
    if (typeof level !== 'string' || !LEVELS.includes(level)) {
      throw new Refusal(RPC.invalidParams, `level must be one of ${LEVELS.join(', ')}`);
    }
    this.#logLevel = level;
    return {};
  }

  async #callTool(params: Json, signal: AbortSignal): Promise<Json> {
    const name = String(params['name']);
    const tool = TOOLS.get(name);
    if (tool === undefined) throw new Refusal(RPC.invalidParams, `Unknown tool: ${name}`);
    this.#log('info', `running ${name}`);
    return await tool.run(object(params['arguments']), this.#callOf(params, signal));
  }

  #callOf(params: Json, signal: AbortSignal): Call {
    const token = object(params['_meta'])['progressToken'];
    return {
      signal,
      clock: this.#clock,
      clientCapabilities: this.#clientCapabilities,
      report: async (progress, total) => {
        if (token === undefined) return;
        const method = 'notifications/progress';
        await this.#send({ method, params: { progressToken: token, progress, total } });
      },
      ask: (method, asked) => this.#ask(method, asked),
    };
  }

  #ask(method: string, params: Json): Promise<JsonRpcMessage> {
    this.#askedCount += 1;
    const id = `demo-${this.#askedCount}`;
    return new Promise((resolve) => {
      this.#asked.set(id, resolve);
      void this.#send({ id, method, params });
    });
  }

  #log(level: string, data: string): void {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(this.#logLevel)) return;
    void this.#send({ method: 'notifications/message', params: { level, logger: 'demo', data } });
  }

  /** Resolves when there is room for more: a slow reader must not fill the memory. */
  #send(message: Omit<JsonRpcMessage, 'jsonrpc'>): Promise<void> {
    const room = this.#output.write(Buffer.concat([frameOf(message).bytes, Buffer.from('\n')]));
    return room ? Promise.resolve() : new Promise((resolve) => this.#output.once('drain', resolve));
  }
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
