import { RunError } from '../errors.ts';
import { asBuffer } from '../protocol/bytes.ts';
import { faultFrame } from '../protocol/fault.ts';
import type { Frame, RequestId } from '../protocol/frame.ts';
import type { Link } from '../protocol/link.ts';
import { scanObject, type Member } from '../protocol/scan.ts';
import { filterTools, toPattern, toolsOf } from './tool-list.ts';

/** Names of tools; `*` stands for any text. */
export interface ToolPatterns {
  /** A tool has to match one pattern of each of these lists. */
  readonly allow: readonly (readonly string[])[];
  /** And none of these. */
  readonly deny: readonly string[];
}

/** Decides about the tools of one server, and knows which of its patterns have never matched. */
export interface ToolFilter {
  isAllowed(name: unknown): boolean;
  /** @returns patterns that match none of these tools, each once */
  findUnmatched(names: readonly string[]): readonly string[];
}

export function createToolFilter({ allow, deny }: ToolPatterns): ToolFilter {
  const allowed = allow.map((patterns) => patterns.map(toPattern));
  const denied = deny.map(toPattern);
  let isReported = false;

  return {
    isAllowed(name) {
      // A listed tool without a name cannot be called: only a list of what is allowed has something against it.
      if (typeof name !== 'string') return allowed.length === 0;
      return allowed.every((list) => matchesAny(name, list)) && !matchesAny(name, denied);
    },
    findUnmatched(names) {
      if (isReported) return [];
      isReported = true;
      return [...allow.flat(), ...deny].filter((pattern) => {
        const expression = toPattern(pattern);
        return !names.some((name) => expression.test(name));
      });
    },
  };
}

function matchesAny(name: string, patterns: readonly RegExp[]): boolean {
  return patterns.some((pattern) => pattern.test(name));
}

/** Requests without an answer that are remembered for each link. */
const MAX_LISTING = 10_000;

export interface FilteredLinkOptions {
  readonly filter: ToolFilter;
  /** Patterns that match no tool of the server, which are probably misspelled. */
  readonly onUnmatched?: (patterns: readonly string[]) => void;
}

/**
 * A link to a server whose clients neither see nor call the tools that `filter` does not allow: they are left out of
 * answers to `tools/list`, and calls are answered with -32602, as for an unknown tool (2025-11-25 and 2026-07-28, server/tools).
 */
export function filterToolsOf(link: Link, { filter, onUnmatched }: FilteredLinkOptions): Link {
  /** Requests whose answer lists tools. The value says whether that is the whole list. */
  const listing = new Map<RequestId, boolean>();
  let onframe: (frame: Frame, about?: RequestId) => void | Promise<void> = () => {};

  return {
    peer: link.peer,
    era: link.era,
    principal: link.principal,
    get can() {
      return link.can;
    },
    send,
    onframe(handler) {
      onframe = handler;
      link.onframe(deliver);
    },
    onend: (handler) => link.onend(handler),
    onclose: (handler) => link.onclose(handler),
    forget: (id) => link.forget(id),
    close: (reason) => link.close(reason),
  };

  function send(frame: Frame, about?: RequestId): void | Promise<void> {
    if (frame.kind === 'response') return link.send(frame, about);
    const rejected = rejectionReason(frame, filter);
    if (rejected !== undefined)
      return frame.id === undefined ? undefined : onframe(faultFrame(rejected, frame.id), frame.id);
    if (frame.method === 'tools/list' && frame.id !== undefined) {
      listing.set(frame.id, frame.message.params?.['cursor'] === undefined);
      if (listing.size > MAX_LISTING) forgetOldest();
    }
    return link.send(frame, about);
  }

  function deliver(frame: Frame, about?: RequestId): void | Promise<void> {
    const isFirstPage = frame.id === undefined ? undefined : listing.get(frame.id);
    if (frame.kind !== 'response' || frame.id === undefined || isFirstPage === undefined)
      return onframe(frame, about);
    listing.delete(frame.id);
    if (isFirstPage) reportUnmatched(frame);
    return onframe(
      filterTools(frame, ({ name }) => filter.isAllowed(name)),
      about,
    );
  }

  /** Of lists that the server has never sent, only the latest are remembered. */
  function forgetOldest(): void {
    const [oldest] = listing.keys();
    if (oldest !== undefined) listing.delete(oldest);
  }

  function reportUnmatched(answer: Frame): void {
    if (onUnmatched === undefined || !isWhole(answer)) return;
    const names = toolsOf(answer).flatMap(({ name }) => (typeof name === 'string' ? [name] : []));
    const patterns = filter.findUnmatched(names);
    if (patterns.length > 0) onUnmatched(patterns);
  }
}

/** Whether an answer to `tools/list` has all tools: there is no further page. */
function isWhole(answer: Frame): boolean {
  try {
    const { result } = answer.message;
    return Array.isArray(result?.['tools']) && result['nextCursor'] === undefined;
  } catch {
    return false;
  }
}

/** Why a client's message may not go to the server; undefined if it may. */
function rejectionReason(frame: Frame, filter: ToolFilter): RunError | undefined {
  const isCall = frame.method === 'tools/call';
  if (!hasOneReading(asBuffer(frame.bytes), isCall))
    return new RunError('INVALID_REQUEST', { detail: 'it has a key twice, or in another spelling' });
  if (!isCall) return undefined;
  const name = frame.message.params?.['name'];
  if (typeof name === 'string' && filter.isAllowed(name)) return undefined;
  return new RunError('TOOL_IGNORED', {
    tool: typeof name === 'string' ? name : JSON.stringify(name ?? null),
  });
}

const MESSAGE_KEYS = ['JSONRPC', 'ID', 'METHOD', 'PARAMS'];
const CALL_KEYS = ['NAME'];

/**
 * Whether all servers read the same method and the same name of a tool from a message: of a key that is there twice some
 * parsers take the first value and some the last, and some ignore the case of keys.
 */
function hasOneReading(bytes: Buffer, isCall: boolean): boolean {
  const members = scanObject(bytes);
  if (members === undefined || !hasExactKeys(members, MESSAGE_KEYS)) return false;
  const params = isCall ? members.find(({ key }) => key === 'params') : undefined;
  if (params === undefined) return true;
  const inside = scanObject(bytes, params.start, params.end);
  return inside !== undefined && hasExactKeys(inside, CALL_KEYS);
}

function hasExactKeys(members: readonly Member[], upperCaseKeys: readonly string[]): boolean {
  return members.every(({ key }) => {
    const upper = key.toUpperCase();
    return !upperCaseKeys.includes(upper) || key === upper.toLowerCase();
  });
}
