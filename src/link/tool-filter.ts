import type { ToolPatterns } from '../config/types.ts';
import { RunError } from '../errors.ts';
import { findAmbiguity } from '../protocol/ambiguity.ts';
import { faultFrame } from '../protocol/fault.ts';
import type { Frame, RequestId } from '../protocol/frame.ts';
import type { LinkFilter } from './compose.ts';
import { ForwardingLink } from './forward.ts';
import type { Link } from './link.ts';
import { filterTools, namesOneRequest, toolsOf } from './tool-list.ts';
import { toPattern, type ToolPattern } from './tool-pattern.ts';

/** Decides about the tools of one server, and knows which of its patterns have never matched. */
export interface ToolFilter {
  /** Whether a listed tool is shown. */
  isAllowed(name: unknown): boolean;
  /**
   * Whether a tool may be called. Some servers ignore the case of a name, trim it, or end it at a NUL: a name that they may
   * read as that of a tool which is not allowed is rejected as well, unless the server has listed it as it is.
   */
  isCallable(name: unknown): name is string;
  /** Notes the tools that a server has listed. */
  listed(names: readonly string[]): void;
  /** @returns patterns that match none of these tools, each once */
  findUnmatched(names: readonly string[]): readonly string[];
}

/** Names that are remembered of what a server lists. */
const MAX_LISTED = 10_000;
/** Characters of a name that an error repeats. */
const MAX_SHOWN = 100;
/** A longer name is that of no tool (2025-11-25, server/tools, tool names: at most 128). */
const MAX_NAME = 4_096;

export function createToolFilter({ allow, deny }: ToolPatterns): ToolFilter {
  const isAllowedExactly = createMatcher(allow, deny);
  const isAllowedFolded = createMatcher(
    allow.map((patterns) => patterns.map(foldName)),
    deny.map(foldName),
  );
  const known = new Set<string>();
  let isReported = false;

  return {
    isAllowed(name) {
      // A listed tool without a name cannot be called: only a list of what is allowed has something against it.
      return typeof name === 'string' ? isAllowedExactly(name) : allow.length === 0;
    },
    isCallable(name): name is string {
      if (typeof name !== 'string' || name.length > MAX_NAME || !isAllowedExactly(name)) return false;
      return known.has(name) || isAllowedFolded(foldName(name));
    },
    listed(names) {
      for (const name of names) if (known.size < MAX_LISTED && name.length <= MAX_NAME) known.add(name);
    },
    findUnmatched(names) {
      if (isReported) return [];
      isReported = true;
      return [...allow.flat(), ...deny].filter((pattern) => !names.some(toPattern(pattern)));
    },
  };
}

function createMatcher(
  allow: readonly (readonly string[])[],
  deny: readonly string[],
): (name: string) => boolean {
  const allowed = allow.map((patterns) => patterns.map(toPattern));
  const denied = deny.map(toPattern);
  return (name) => {
    const isMeant = (pattern: ToolPattern): boolean => pattern(name);
    return allowed.every((list) => list.some(isMeant)) && !denied.some(isMeant);
  };
}

/** The same for all names, and patterns, that a server may take for each other. */
function foldName(name: string): string {
  const [text = ''] = name.split('\0', 1);
  return text.normalize('NFKC').trim().toLowerCase().toUpperCase();
}

/** Requests without an answer that are remembered for each link. */
const MAX_LISTING = 10_000;

export interface ToolFilterOptions {
  /** Its name, for errors. */
  readonly server?: string;
  readonly filter: ToolFilter;
  /** Patterns that match no tool of the server, which are probably misspelled. */
  readonly onUnmatched?: (patterns: readonly string[]) => void;
}

class ToolFilterLink extends ForwardingLink {
  readonly #server: string;
  readonly #filter: ToolFilter;
  readonly #onUnmatched: ToolFilterOptions['onUnmatched'];
  /** Requests whose answer lists tools. The value says whether that is the whole list. */
  readonly #listing = new Map<RequestId, boolean>();

  constructor(link: Link, { server = '', filter, onUnmatched }: ToolFilterOptions) {
    super(link);
    this.#server = server;
    this.#filter = filter;
    this.#onUnmatched = onUnmatched;
  }

  protected override toPeer(frame: Frame, relatedRequestId?: RequestId): void | Promise<void> {
    if (frame.kind === 'response') return super.toPeer(frame, relatedRequestId);
    const rejected = rejectionReason(frame, this.#filter);
    if (rejected !== undefined)
      return frame.id === undefined ? undefined : this.deliver(faultFrame(rejected, frame.id), frame.id);
    if (frame.method === 'tools/list' && frame.id !== undefined) {
      this.#listing.set(frame.id, frame.message.params?.['cursor'] === undefined);
      if (this.#listing.size > MAX_LISTING) this.#forgetOldest();
    }
    return super.toPeer(frame, relatedRequestId);
  }

  protected override fromPeer(frame: Frame, relatedRequestId?: RequestId): void | Promise<void> {
    const { kind, id } = frame;
    if (kind !== 'response' || id === undefined || this.#listing.size === 0)
      return super.fromPeer(frame, relatedRequestId);
    const isFirstPage = this.#listing.get(id);
    // A second id would make a list of it for a client that reads that one.
    if (isFirstPage === undefined)
      return super.fromPeer(namesOneRequest(frame) ? frame : this.#unreadable(id), relatedRequestId);
    this.#listing.delete(id);
    const list = this.#shownOf(frame, id);
    if (isFirstPage) this.#reportUnmatched(frame);
    return super.fromPeer(list, relatedRequestId);
  }

  /** The answer without the tools that are not allowed, however a client reads it. */
  #shownOf(answer: Frame, id: RequestId): Frame {
    try {
      const list = filterTools(answer, ({ name }) => this.#filter.isAllowed(name));
      this.#filter.listed(namesOf(list));
      return list;
    } catch {
      return this.#unreadable(id);
    }
  }

  #unreadable(id: RequestId): Frame {
    return faultFrame(new RunError('MALFORMED_ANSWER', { server: this.#server, method: 'tools/list' }), id);
  }

  /** Of lists that the server has never sent, only the latest are remembered. */
  #forgetOldest(): void {
    const [oldest] = this.#listing.keys();
    if (oldest !== undefined) this.#listing.delete(oldest);
  }

  #reportUnmatched(answer: Frame): void {
    if (this.#onUnmatched === undefined || !isWhole(answer)) return;
    const patterns = this.#filter.findUnmatched(namesOf(answer));
    if (patterns.length > 0) this.#onUnmatched(patterns);
  }
}

/**
 * A filter around links to a server. Clients neither see nor call the tools that `filter` does not allow: they are left out of
 * answers to `tools/list`, and calls are answered with -32602, as for an unknown tool (2025-11-25 and 2026-07-28, server/tools).
 */
export function toolFilter(options: ToolFilterOptions): LinkFilter {
  return (link) => new ToolFilterLink(link, options);
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

function namesOf(answer: Frame): string[] {
  return toolsOf(answer).flatMap(({ name }) => (typeof name === 'string' ? [name] : []));
}

/** Why a client's message may not go to the server; undefined if it may. */
function rejectionReason(frame: Frame, filter: ToolFilter): RunError | undefined {
  const detail = findAmbiguity(frame);
  if (detail !== undefined) return new RunError('INVALID_REQUEST', { detail });
  if (frame.method !== 'tools/call') return undefined;
  const name = frame.message.params?.['name'];
  return filter.isCallable(name) ? undefined : new RunError('TOOL_IGNORED', { tool: shown(name) });
}

/** What a client sent, in an answer to that client. */
function shown(name: unknown): string {
  if (typeof name !== 'string') return `(${Array.isArray(name) ? 'array' : typeof name})`;
  return name.length > MAX_SHOWN ? `${name.slice(0, MAX_SHOWN)}…` : name;
}
