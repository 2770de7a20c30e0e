import type { Log, LogFields } from './log.ts';
import type { Mask } from './mask.ts';
import { MASK } from './redact.ts';
import { isSecretName } from './secret-names.ts';

/** Fields are nested no deeper than this, and have no more members. */
const MAX_DEPTH = 12;
const MAX_MEMBERS = 10_000;
/** A number with fewer digits is a count or an id, also if a secret has the same. */
const MIN_DIGITS = 6;
/** Names of our own fields, which hold no secrets: a key of a manifest, a session's and a request's. */
const OWN = /^(?:keys?|session|sessionId|tokens?|auth|credentials|secrets)$/;

class Copy {
  readonly #mask: Mask;
  readonly #above = new Set<object>();
  #members = 0;

  constructor(mask: Mask) {
    this.#mask = mask;
  }

  of(value: unknown, depth: number): unknown {
    if (typeof value === 'string') return this.#mask(value);
    if (typeof value === 'number' || typeof value === 'bigint') return this.#number(value);
    if (typeof value !== 'object' || value === null) return value;
    this.#members += 1;
    if (depth > MAX_DEPTH || this.#members > MAX_MEMBERS) return '…';
    if (this.#above.has(value)) return '[circular]';
    this.#above.add(value);
    const copy = this.#object(value, depth);
    this.#above.delete(value);
    return copy;
  }

  #object(value: object, depth: number): unknown {
    if (value instanceof Error) return this.#error(value, depth);
    if (value instanceof URL) return this.#mask(value.href);
    if (Array.isArray(value)) return value.map((item: unknown) => this.of(item, depth + 1));
    if (value instanceof Map) return this.#object(Object.fromEntries(value), depth);
    if (value instanceof Set) return this.#object([...value], depth);
    if ('toJSON' in value && typeof value.toJSON === 'function') return this.of(value.toJSON(), depth + 1);
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => [
        // The names of the fields themselves are ours.
        depth === 0 ? name : this.#mask(name),
        isHidden(name, member) ? MASK : this.of(member, depth + 1),
      ]),
    );
  }

  #error(error: Error, depth: number): object {
    const { name, message, stack, cause } = error;
    return {
      type: name,
      message: this.#mask(message),
      ...(stack !== undefined && { stack: this.#mask(stack) }),
      ...(cause !== undefined && { cause: this.of(cause, depth + 1) }),
      ...('code' in error && { code: this.of(error.code, depth + 1) }),
      ...(error instanceof AggregateError && { errors: this.of(error.errors, depth + 1) }),
    };
  }

  #number(value: number | bigint): unknown {
    const digits = String(value);
    return digits.length >= MIN_DIGITS && this.#mask(digits) === MASK ? MASK : value;
  }
}

/** The same log, in which texts are masked: the message, and all texts in fields, however deep. */
export function maskLog(log: Log, mask: Mask): Log {
  const write =
    (level: 'trace' | 'debug' | 'info' | 'warn' | 'error'): Log['info'] =>
    ({ event, ...fields }, text) => {
      // Masking what is not written would cost the same.
      if (log.isLevelEnabled(level)) log[level]({ event, ...maskFields(fields, mask) }, mask(text));
    };
  return {
    trace: write('trace'),
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (fields) => maskLog(log.child(fields), mask),
    isLevelEnabled: (level) => log.isLevelEnabled(level),
  };
}

function maskFields(fields: Omit<LogFields, 'event'>, mask: Mask): Record<string, unknown> {
  const masked = maskValue(fields, mask);
  return typeof masked === 'object' && masked !== null ? { ...masked } : {};
}

/** A copy of plain data in which each text is masked; an error becomes data. */
export function maskValue(value: unknown, mask: Mask): unknown {
  return new Copy(mask).of(value, 0);
}

function isHidden(name: string, value: unknown): boolean {
  if (typeof value !== 'string' || OWN.test(name) || !isSecretName(name)) return false;
  return !/^(?:bearer )?(?:YOUR_|\$|\*\*\*|$)/i.test(value);
}
