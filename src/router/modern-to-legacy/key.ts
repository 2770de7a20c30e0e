import { createHash } from 'node:crypto';
import { toLegacyClientCapabilities } from '../../era/capabilities.ts';
import type { Envelope } from '../../era/envelope.ts';
import type { Json } from '../../era/json.ts';
import type { ModernClient } from '../modern-backend.ts';

/** The client of a process: a legacy server is initialized for one client, and all that share the process count as that one. */
export interface ProcessKey {
  /** For maps and sealed states. */
  readonly text: string;
  readonly principalId: string;
  /** Without the capabilities that are withheld from the server. */
  readonly capabilities: Json;
  readonly clientInfo: Json;
}

/** Of a client that does not send its name. */
const UNNAMED: Json = { name: 'unknown', version: '0' };
/** Kinds of clients whose keys are kept. */
const MAX_KEPT = 128;
/** Longer texts are not kept. */
const MAX_KEPT_LENGTH = 4_096;

/** Keys of the clients of one server. A client's requests all say the same of it, and its key takes a hash to find. */
export class ProcessKeys {
  /** By the text of all that a key depends on, oldest first. */
  readonly #kept = new Map<string, ProcessKey>();

  of(client: ModernClient, envelope: Envelope): ProcessKey {
    const { clientCapabilities, clientInfo } = envelope;
    const text = JSON.stringify([client.principalId, [...client.withheld], clientCapabilities, clientInfo]);
    const known = this.#kept.get(text);
    if (known !== undefined) return known;
    const key = keyOf(client, envelope);
    if (text.length <= MAX_KEPT_LENGTH) this.#keep(text, key);
    return key;
  }

  #keep(text: string, key: ProcessKey): void {
    this.#kept.set(text, key);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) this.#kept.delete(oldest);
  }
}

export function keyOf({ principalId, withheld }: ModernClient, envelope: Envelope): ProcessKey {
  const capabilities = toLegacyClientCapabilities(envelope.clientCapabilities, withheld);
  const clientInfo = envelope.clientInfo ?? UNNAMED;
  const hash = createHash('sha256').update(canonicalText([principalId, capabilities, clientInfo]));
  return { text: hash.digest('base64url'), principalId, capabilities, clientInfo };
}

/** Whether its client has sent a name; otherwise several clients of a principal may share the process. */
export function isNamed({ clientInfo }: ProcessKey): boolean {
  return clientInfo !== UNNAMED;
}

/** The same for values that differ only in the order of their keys. */
export function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => {
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return member;
    return Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}
