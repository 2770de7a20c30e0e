import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { isJson, type Json } from './json.ts';

const PREFIX = 'm1.';
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** No state of ours is nearly as long. */
const MAX_LENGTH = 8_192;

/**
 * Seals and opens `requestState`: only this process can have made one, and no other party can read it (2026-07-28,
 * basic/patterns/mrtr, server requirements). The key lives as long as the process, and so do the calls that states stand for.
 */
export class RequestStates {
  readonly #key = randomBytes(32);

  seal(state: Json): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv, { authTagLength: TAG_BYTES });
    const sealed = Buffer.concat([iv, cipher.update(JSON.stringify(state)), cipher.final()]);
    return PREFIX + Buffer.concat([sealed, cipher.getAuthTag()]).toString('base64url');
  }

  /** @returns undefined for any text that these states have not sealed */
  open(text: unknown): Json | undefined {
    if (typeof text !== 'string' || !text.startsWith(PREFIX) || text.length > MAX_LENGTH) return undefined;
    const bytes = Buffer.from(text.slice(PREFIX.length), 'base64url');
    if (bytes.length < IV_BYTES + TAG_BYTES) return undefined;
    try {
      const state: unknown = JSON.parse(this.#decrypt(bytes));
      return isJson(state) ? state : undefined;
    } catch {
      // Forged, truncated, or of another process: these cannot be told apart.
      return undefined;
    }
  }

  /** @throws Error if the bytes are not authentic */
  #decrypt(bytes: Buffer): string {
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, IV_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    const text = [decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()];
    return Buffer.concat(text).toString();
  }
}
