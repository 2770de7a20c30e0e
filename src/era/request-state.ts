import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { isJson, type Json } from './json.ts';

/**
 * `requestState` that only we can have made and nobody else can read (2026-07-28, basic/patterns/mrtr, server
 * requirements). The key lives as long as the process: so does what the state stands for.
 */
export interface RequestStates {
  seal(state: Json): string;
  /** @returns undefined for anything that these states have not sealed */
  open(text: unknown): Json | undefined;
}

const PREFIX = 'm1.';
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** Longer than any of ours, by far. */
const MAX_LENGTH = 8_192;

export function createRequestStates(): RequestStates {
  const key = randomBytes(32);
  return { seal, open };

  function seal(state: Json): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES });
    const sealed = Buffer.concat([iv, cipher.update(JSON.stringify(state)), cipher.final()]);
    return PREFIX + Buffer.concat([sealed, cipher.getAuthTag()]).toString('base64url');
  }

  function open(text: unknown): Json | undefined {
    if (typeof text !== 'string' || !text.startsWith(PREFIX) || text.length > MAX_LENGTH) return undefined;
    const bytes = Buffer.from(text.slice(PREFIX.length), 'base64url');
    if (bytes.length < IV_BYTES + TAG_BYTES) return undefined;
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      const opened = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
      const state: unknown = JSON.parse(opened.toString());
      return isJson(state) ? state : undefined;
    } catch {
      // Forged, cut short, or of another process: there is no telling, and nobody is told.
      return undefined;
    }
  }
}
