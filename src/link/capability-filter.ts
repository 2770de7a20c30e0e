import type { Capability } from '../config/types.ts';
import { RunError } from '../errors.ts';
import { isJson, type Json } from '../era/json.ts';
import { META } from '../protocol/constants.ts';
import { faultFrame } from '../protocol/fault.ts';
import { frameOf, type Frame, type JsonRpcMessage, type RequestId } from '../protocol/frame.ts';
import type { LinkFilter } from './compose.ts';
import { ForwardingLink } from './forward.ts';
import type { Link } from './link.ts';

export interface CapabilityFilterOptions {
  /** What the client may declare and the server does not get to see. */
  readonly withheld: ReadonlySet<Capability>;
  /** Called with the names of what a request declared and the server was not told. */
  readonly onWithheld: (names: readonly string[]) => void;
}

class CapabilityFilter extends ForwardingLink {
  readonly #withheld: ReadonlySet<Capability>;
  readonly #onWithheld: (names: readonly string[]) => void;

  constructor(link: Link, { withheld, onWithheld }: CapabilityFilterOptions) {
    super(link);
    this.#withheld = withheld;
    this.#onWithheld = onWithheld;
  }

  protected override fromPeer(frame: Frame, relatedRequestId?: RequestId): void | Promise<void> {
    if (frame.kind === 'request') return this.#request(frame, relatedRequestId);
    if (frame.method === 'notifications/roots/list_changed' && this.#withheld.has('roots')) return undefined;
    return super.fromPeer(frame, relatedRequestId);
  }

  protected override toPeer(frame: Frame, relatedRequestId?: RequestId): void | Promise<void> {
    const { kind, id, method = '' } = frame;
    if (kind !== 'request' || !isWithheld(method, this.#withheld))
      return super.toPeer(frame, relatedRequestId);
    return super.fromPeer(faultFrame(new RunError('CLIENT_CANNOT', { method }), id));
  }

  #request(frame: Frame, relatedRequestId: RequestId | undefined): void | Promise<void> {
    // An older client declares its capabilities here alone; requests of 2026-07-28 are stripped by their conversation.
    const stripped = frame.method === 'initialize' ? withoutCapabilities(frame, this.#withheld) : undefined;
    const wait = super.fromPeer(stripped?.frame ?? frame, relatedRequestId);
    // Not before: a request that is refused has told the server nothing.
    if (stripped !== undefined) this.#onWithheld(stripped.names);
    return wait;
  }
}

/** Withholds capabilities of the client behind a link: its server neither sees them nor can use them. */
export function capabilityFilter(options: CapabilityFilterOptions): LinkFilter {
  return (link) => (options.withheld.size === 0 ? link : new CapabilityFilter(link, options));
}

/**
 * An `initialize` request without some of the client's capabilities. Some servers replace their own allow-list of
 * directories with the client's roots: passed on from a network client, they would hand it the host's disk. And where
 * nobody knows who a client is, no server should ask its user anything.
 * @returns undefined when there is nothing to withhold.
 * @throws RunError `INVALID_REQUEST` for a message that cannot be written again.
 */
export function withoutCapabilities(
  initialize: Frame,
  withheld: ReadonlySet<Capability>,
): Withheld | undefined {
  const { message } = initialize;
  const allowed = allowedOf(message.params?.['capabilities'], withheld);
  if (allowed === undefined) return undefined;
  const { names, capabilities } = allowed;
  return { names, frame: rewritten({ ...message, params: { ...message.params, capabilities } }) };
}

/** The same for a request of revision 2026-07-28, each of which declares them. */
export function withoutRequestCapabilities(
  request: Frame,
  withheld: ReadonlySet<Capability>,
): Withheld | undefined {
  if (withheld.size === 0) return undefined;
  const { message } = request;
  const meta = message.params?.['_meta'];
  if (!isJson(meta)) return undefined;
  const allowed = allowedOf(meta[META.clientCapabilities], withheld);
  if (allowed === undefined) return undefined;
  const _meta = { ...meta, [META.clientCapabilities]: allowed.capabilities };
  return { names: allowed.names, frame: rewritten({ ...message, params: { ...message.params, _meta } }) };
}

/** @returns undefined when there is nothing to withhold */
function allowedOf(
  declared: unknown,
  withheld: ReadonlySet<Capability>,
): { readonly names: readonly string[]; readonly capabilities: Json } | undefined {
  if (!isJson(declared)) return undefined;
  const keys = keysOf(withheld);
  const names = Object.keys(declared).filter((name) => keys.has(name));
  if (names.length === 0) return undefined;
  // From entries: unlike an assignment, that keeps a key called `__proto__` what it is.
  const capabilities = Object.fromEntries(Object.entries(declared).filter(([name]) => !keys.has(name)));
  return { names, capabilities };
}

interface Withheld {
  readonly frame: Frame;
  /** Of the capabilities that are gone. */
  readonly names: readonly string[];
}

/** Whether a server may not send this request, because the capability that it needs is withheld. */
export function isWithheld(method: string, withheld: ReadonlySet<Capability>): boolean {
  return keysOf(withheld).has(method.split('/', 1)[0] ?? '');
}

/** A client's tasks are runs of the other two. */
function keysOf(withheld: ReadonlySet<Capability>): ReadonlySet<string> {
  return withheld.has('sampling') && withheld.has('elicitation') ? new Set([...withheld, 'tasks']) : withheld;
}

function rewritten(message: JsonRpcMessage): Frame {
  try {
    return frameOf(message);
  } catch (error) {
    // What is parsed step by step is written by recursion.
    throw new RunError('INVALID_REQUEST', { detail: 'nested too deeply' }, { cause: error });
  }
}
