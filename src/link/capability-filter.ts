import { RunError } from '../errors.ts';
import { isJson, type Json } from '../era/json.ts';
import { META } from '../protocol/constants.ts';
import { frameOf, type Frame, type JsonRpcMessage } from '../protocol/frame.ts';

/** What a client may declare that lets a server turn to its user. */
export type Capability = 'roots' | 'sampling' | 'elicitation';

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
