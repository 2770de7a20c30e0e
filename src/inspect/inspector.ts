import { isRunError, RunError } from '../errors.ts';
import { withEnvelope } from '../era/envelope.ts';
import { frameOf, type Frame, type JsonRpcMessage, type RequestId } from '../protocol/frame.ts';
import { forParent } from '../protocol/fault.ts';
import { isLegacyRevision, LEGACY_REVISIONS, META, MODERN_REVISION, RPC } from '../protocol/constants.ts';
import type { Link } from '../link/link.ts';

type Json = Readonly<Record<string, unknown>>;

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

/** A conversation in which we are the client and do nothing but ask. */
export interface Inspector {
  /** The link has ended. */
  readonly isOver: boolean;
  /** @throws RunError `UPSTREAM_ERROR`, `NOT_MCP`, `MALFORMED_ANSWER`, or why the link ended. */
  introduce(): Promise<Introduction>;
  /** Counts everything that the introduction says there is. Throws what `introduce` throws. */
  count(capabilities: Json): Promise<Offer>;
  /** Fails what is waiting for an answer; `toError` gets the method. */
  giveUp(toError: (method: string) => RunError): void;
}

/** A server that always has one more page must not keep us for ever. */
const MAX_PAGES = 1_000;

interface Question {
  readonly method: string;
  readonly resolve: (answer: Frame) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Asks a server, over an upstream link that nobody else uses.
 * @param discovered its answer to `server/discover`, if it has given one
 * @param speaksLegacy whether to try the handshake at all
 */
export function createInspector(
  link: Link,
  server: string,
  clientVersion: string,
  discovered?: Json,
  speaksLegacy = true,
): Inspector {
  /** From when on each request says who asks. */
  let isModern = false;
  const waiting = new Map<RequestId, Question>();
  let nextId = 0;
  let ended: Error | undefined;

  link.onclose((error) => {
    ended = error ?? new RunError('UPSTREAM_CLOSED', { server });
    for (const question of waiting.values()) question.reject(ended);
    waiting.clear();
  });
  link.onframe((frame) => {
    if (frame.kind === 'request') return link.send(answerTo(frame));
    if (frame.kind === 'notification' || frame.id === undefined) return undefined;
    // The answers are shown to the user of mcp-run, so they may name commands and paths.
    waiting.get(frame.id)?.resolve(forParent(frame));
    waiting.delete(frame.id);
    return undefined;
  });

  return {
    get isOver() {
      return ended !== undefined;
    },
    async introduce() {
      const modern = discovered === undefined ? undefined : introducedBy(discovered);
      if (modern !== undefined && !speaksLegacy) return modern;
      const result = await shakeHands(modern !== undefined);
      if (result === undefined && modern !== undefined) return modern;
      const { protocolVersion, capabilities, serverInfo } = result ?? {};
      if (typeof protocolVersion !== 'string') {
        throw new RunError('NOT_MCP', { server, method: 'initialize', detail: 'it has no protocolVersion' });
      }
      // A server of both eras has chosen by the handshake.
      isModern = false;
      void link.send(frameOf({ method: 'notifications/initialized' }));
      const info = isJson(serverInfo) ? serverInfo : {};
      return {
        name: textOf(info['name']),
        version: textOf(info['version']),
        revision: protocolVersion,
        capabilities: isJson(capabilities) ? capabilities : {},
        era: modern === undefined ? 'legacy' : 'both',
      };
    },

    async count(capabilities) {
      const countIf = async (kind: string): Promise<number | undefined> =>
        capabilities[kind] === undefined ? undefined : await countAll(kind);
      const [tools, resources, prompts] = await Promise.all([
        countIf('tools'),
        countIf('resources'),
        countIf('prompts'),
      ]);
      return { tools, resources, prompts };
    },

    giveUp(toError) {
      for (const { method, reject } of waiting.values()) reject(toError(method));
      waiting.clear();
    },
  };

  /** @returns undefined if a server that need not know the handshake refuses it, ends at it, or answers with a revision that has none */
  async function shakeHands(isOptional: boolean): Promise<Json | undefined> {
    try {
      const result = await ask('initialize', {
        protocolVersion: LEGACY_REVISIONS[0],
        capabilities: {},
        clientInfo: { name: 'mcp-run', version: clientVersion },
      });
      return isOptional && !isLegacyRevision(result['protocolVersion']) ? undefined : result;
    } catch (error) {
      if (isOptional && (isRunError(error, 'UPSTREAM_ERROR') || ended !== undefined)) return undefined;
      throw error;
    }
  }

  /** From here on each request has to say what the handshake would have said. */
  function introducedBy({ capabilities, _meta }: Json): Introduction {
    isModern = true;
    const info = isJson(_meta) ? _meta[META.serverInfo] : undefined;
    return {
      name: isJson(info) ? textOf(info['name']) : undefined,
      version: isJson(info) ? textOf(info['version']) : undefined,
      revision: MODERN_REVISION,
      capabilities: isJson(capabilities) ? capabilities : {},
      era: 'modern',
    };
  }

  async function countAll(kind: string): Promise<number> {
    const method = `${kind}/list`;
    const seen = new Set<string>();
    let total = 0;
    let cursor: string | undefined;
    do {
      const page = await ask(method, cursor === undefined ? {} : { cursor });
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

  async function ask(method: string, params: Record<string, unknown>): Promise<Json> {
    if (ended !== undefined) throw ended;
    nextId += 1;
    const id = nextId;
    const answer = await new Promise<Frame>((resolve, reject) => {
      waiting.set(id, { method, resolve, reject });
      void link.send(frameOf(addressed({ jsonrpc: '2.0', id, method, params })));
    });
    const { result, error } = messageOf(answer, method);
    if (error !== undefined) {
      const { message, code } = error;
      throw new RunError('UPSTREAM_ERROR', { server, method, detail: `${message} (${code})` });
    }
    if (!isJson(result)) throw new RunError('NOT_MCP', { server, method, detail: 'it is not an object' });
    return result;
  }

  function addressed(request: JsonRpcMessage): JsonRpcMessage {
    if (!isModern || request.method === 'initialize') return request;
    return withEnvelope(request, {
      protocolVersion: MODERN_REVISION,
      clientCapabilities: {},
      clientInfo: { name: 'mcp-run', version: clientVersion },
      logLevel: undefined,
    });
  }

  /** What was peeked at may turn out not to be JSON. */
  function messageOf(answer: Frame, method: string): JsonRpcMessage {
    try {
      return answer.message;
    } catch (error) {
      throw new RunError('MALFORMED_ANSWER', { server, method }, { cause: error });
    }
  }
}

/** We have declared no capabilities: a server has no reason to ask for anything but a sign of life. */
function answerTo({ id, method }: Frame): Frame {
  if (id === undefined) return frameOf({});
  if (method === 'ping') return frameOf({ id, result: {} });
  return frameOf({ id, error: { code: RPC.methodNotFound, message: `Method not found: ${method}` } });
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
