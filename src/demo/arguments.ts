import { RPC } from '../protocol/constants.ts';

export type Json = Record<string, unknown>;

/** An answer that is an error: the request is wrong, or names something that the demo lacks. */
export class Refusal extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export function text(value: string): Json {
  return { content: [{ type: 'text', text: value }] };
}

export function numberArgument(args: Json, name: string, fallback: number, max: number): number {
  const value = args[name] ?? fallback;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
    throw new Refusal(RPC.invalidParams, `${name} must be a whole number from 0 to ${max}`);
  }
  return value;
}

export function object(value: unknown): Json {
  return isObject(value) ? value : {};
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
