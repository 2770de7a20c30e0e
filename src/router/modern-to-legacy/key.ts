import { createHash } from 'node:crypto';
import { toLegacyClientCapabilities } from '../../era/capabilities.ts';
import type { Envelope } from '../../era/envelope.ts';
import type { Json } from '../../era/json.ts';
import type { ModernClient } from '../modern-backend.ts';

/** Whose a process of a legacy server is: it is told of one client only, and all that share it are that client. */
export interface ProcessKey {
  /** For maps and sealed states. */
  readonly text: string;
  readonly principal: string;
  /** Without what is withheld from the server. */
  readonly capabilities: Json;
  readonly clientInfo: Json;
}

/** Of a client that does not say who it is. */
const UNNAMED: Json = { name: 'unknown', version: '0' };

export function keyOf({ principal, withheld }: ModernClient, envelope: Envelope): ProcessKey {
  const capabilities = toLegacyClientCapabilities(envelope.clientCapabilities, withheld);
  const clientInfo = envelope.clientInfo ?? UNNAMED;
  const hash = createHash('sha256').update(canonicalText([principal, capabilities, clientInfo]));
  return { text: hash.digest('base64url'), principal, capabilities, clientInfo };
}

/** Whether its client has a name; otherwise several clients of a principal may share the process. */
export function isNamed({ clientInfo }: ProcessKey): boolean {
  return clientInfo !== UNNAMED;
}

/** The same for values that differ in the order of their keys only. */
export function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => {
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return member;
    return Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}
