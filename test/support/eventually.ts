import { vi } from 'vitest';
import { PATIENCE_MS } from './patience.ts';

/** Runs `assertion` until it passes, and resolves with what it returns. */
export function eventually<T>(assertion: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(assertion, { timeout: PATIENCE_MS });
}
