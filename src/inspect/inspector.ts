import type { Clock } from '../clock.ts';
import { isRunError, RunError } from '../errors.ts';
import { withEnvelope } from '../era/envelope.ts';
import { isJson, type Json } from '../era/json.ts';
import { ownEnvelope, ownInitializeParams } from '../era/own-client.ts';
import type { Link } from '../link/link.ts';
import { Requester } from '../link/requester.ts';
import { isLegacyRevision, META, MODERN_REVISION, RPC } from '../protocol/constants.ts';
import { forParent } from '../protocol/fault.ts';
import { frameOf, type Frame, type JsonRpcMessage, type RequestId } from '../protocol/frame.ts';
import { GivenUp } from './deadline.ts';

/** What a server says about itself in its answer to `initialize`. */
export interface Introduction {
  readonly name: string | undefined;
  readonly version: string | undefined;
  /** The protocol revision that it chose. */
  readonly revision: string;
  readonly capabilities: Json;
  /** Which kind of protocol it speaks: with a handshake, without, or either. */
  readonly era: 'legacy' | 'modern' | 'both';
}

/** How much it offers; undefined for a kind that is not among its capabilities. */
export interface Offer {
  readonly tools: number | undefined;
  readonly resources: number | undefined;
  readonly prompts: number | undefined;
}

export interface InspectorOptions {
  /** One that nothing else uses. */
  readonly link: Link;
  /** Its name, for errors. */
  readonly server: string;
  /** Of mcp-run. */
  readonly version: string;
  /** Its answer to `server/discover`, if it has given one. */
  readonly discovered: Json | undefined;
  /** Whether to try the handshake at all. */
  readonly speaksLegacy: boolean;
  /** Ends what is awaited. Its reason is a `GivenUp`. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** A server that always has one more page must not keep us for ever. */
const MAX_PAGES = 1_000;

/** The client of a conversation that does nothing but send requests. */
export class Inspector {
  readonly #options: InspectorOptions;
  readonly #link: Link;
  readonly #requester: Requester;
  /** `fresh`: nothing says yet whether requests carry metadata. */
  #era: 'fresh' | 'legacy' | 'modern' = 'fresh';
  #isOver = false;

  constructor(options: InspectorOptions) {
    this.#options = options;
    this.#link = options.link;
    this.#requester = new Requester({
      link: options.link,
      idOf: (count) => count,
      clock: options.clock,
      onOther: (frame) => this.#answer(frame),
    });
  }

  /** The link has ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Takes the handlers of the link. */
  attach(): this {
    const { server } = this.#options;
    this.#link.onclose((error) => {
      this.#isOver = true;
      this.#requester.close(error ?? new RunError('UPSTREAM_CLOSED', { server }));
    });
    this.#link.onframe((frame) => this.#requester.receive(frame));
    return this;
  }

  /** @throws RunError `UPSTREAM_ERROR`, `NOT_MCP`, `MALFORMED_ANSWER`, or why the link ended */
  async introduce(): Promise<Introduction> {
    const { server, discovered, speaksLegacy } = this.#options;
    const modern = discovered === undefined ? undefined : introducedBy(discovered);
    if (modern !== undefined) this.#era = 'modern';
    if (modern !== undefined && !speaksLegacy) return modern;
    const result = await this.#initialize(modern !== undefined);
    if (result === undefined && modern !== undefined) return modern;
    const { protocolVersion, capabilities, serverInfo } = result ?? {};
    if (typeof protocolVersion !== 'string') {
      throw new RunError('NOT_MCP', { server, method: 'initialize', detail: 'it has no protocolVersion' });
    }
    // A server of both eras has chosen by the handshake.
    this.#era = 'legacy';
    void this.#link.send(frameOf({ method: 'notifications/initialized' }));
    return {
      ...nameAndVersion(serverInfo),
      revision: protocolVersion,
      capabilities: isJson(capabilities) ? capabilities : {},
      era: modern === undefined ? 'legacy' : 'both',
    };
  }

  /** Counts everything that the introduction says there is. Throws the errors of `introduce`. */
  async count(capabilities: Json): Promise<Offer> {
    const countIf = async (kind: string): Promise<number | undefined> =>
      capabilities[kind] === undefined ? undefined : await this.#countAll(kind);
    const [tools, resources, prompts] = await Promise.all([
      countIf('tools'),
      countIf('resources'),
      countIf('prompts'),
    ]);
    return { tools, resources, prompts };
  }

  /** @returns undefined if a server that need not know the handshake refuses it, ends at it, or answers with a revision that has none */
  async #initialize(isOptional: boolean): Promise<Json | undefined> {
    try {
      const result = await this.#request('initialize', ownInitializeParams(this.#options.version));
      return isOptional && !isLegacyRevision(result['protocolVersion']) ? undefined : result;
    } catch (error) {
      if (isOptional && (isRunError(error, 'UPSTREAM_ERROR') || this.#isOver)) return undefined;
      throw error;
    }
  }

  async #countAll(kind: string): Promise<number> {
    const { server } = this.#options;
    const method = `${kind}/list`;
    const seen = new Set<string>();
    let total = 0;
    let cursor: string | undefined;
    do {
      const page = await this.#request(method, cursor === undefined ? {} : { cursor });
      const items = page[kind];
      if (!Array.isArray(items)) {
        throw new RunError('NOT_MCP', { server, method, detail: `it has no array "${kind}"` });
      }
      total += items.length;
      cursor = textOf(page['nextCursor']);
      if (cursor !== undefined && (seen.has(cursor) || seen.size >= MAX_PAGES)) {
        throw new RunError('NOT_MCP', { server, method, detail: 'its pages do not end' });
      }
      seen.add(cursor ?? '');
    } while (cursor !== undefined);
    return total;
  }

  async #request(method: string, params: Json): Promise<Json> {
    const { server } = this.#options;
    const { result, error } = this.#messageOf(await this.#answerTo(method, params), method);
    if (error !== undefined) {
      const { message, code } = error;
      throw new RunError('UPSTREAM_ERROR', { server, method, detail: `${message} (${code})` });
    }
    if (!isJson(result)) throw new RunError('NOT_MCP', { server, method, detail: 'it is not an object' });
    return result;
  }

  async #answerTo(method: string, params: Json): Promise<Frame> {
    const { signal } = this.#options;
    const request = this.#requestOf(this.#requester.nextId(), method, params);
    try {
      return await this.#requester.request(request, { signal });
    } catch (error) {
      throw error instanceof GivenUp ? error.toError(method) : error;
    }
  }

  /** Without a handshake each request has to say what the handshake would have said. */
  #requestOf(id: RequestId, method: string, params: Json): Frame {
    const request: JsonRpcMessage = { jsonrpc: '2.0', id, method, params };
    if (this.#era !== 'modern' || method === 'initialize') return frameOf(request);
    return frameOf(withEnvelope(request, ownEnvelope(this.#options.version)));
  }

  /** Its ends may have looked like a message. The answers are shown to the user of mcp-run, so they may name commands and paths. */
  #messageOf(answer: Frame, method: string): JsonRpcMessage {
    try {
      return forParent(answer).message;
    } catch (error) {
      throw new RunError('MALFORMED_ANSWER', { server: this.#options.server, method }, { cause: error });
    }
  }

  /** We have declared no capabilities: a server has no reason to send requests but for a ping. */
  #answer({ kind, id, method }: Frame): void | Promise<void> {
    if (kind !== 'request') return undefined;
    if (id === undefined) return this.#link.send(frameOf({}));
    if (method === 'ping') return this.#link.send(frameOf({ id, result: {} }));
    const error = { code: RPC.methodNotFound, message: `Method not found: ${method}` };
    return this.#link.send(frameOf({ id, error }));
  }
}

function introducedBy({ capabilities, _meta }: Json): Introduction {
  return {
    ...nameAndVersion(isJson(_meta) ? _meta[META.serverInfo] : undefined),
    revision: MODERN_REVISION,
    capabilities: isJson(capabilities) ? capabilities : {},
    era: 'modern',
  };
}

function nameAndVersion(serverInfo: unknown): Pick<Introduction, 'name' | 'version'> {
  const info = isJson(serverInfo) ? serverInfo : {};
  return { name: textOf(info['name']), version: textOf(info['version']) };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
