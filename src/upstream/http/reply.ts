import type { RequestId } from '../../protocol/frame.ts';

/** An object with a `result` or an `error`, as a body has it: it need not be JSON-RPC in all other respects. */
export type Reply = Readonly<Record<string, unknown>>;

/** Events that are looked at: each that is no JSON is an exception. */
const MAX_EVENTS = 1_000;

/** The replies in a body: one, several of them, or the events of a stream; the media type of the body does not count. */
export function repliesIn(text: string): Reply[] {
  const values = [...valuesIn(text)].flatMap((value): unknown[] => (Array.isArray(value) ? value : [value]));
  return values.filter(isObject).filter((value) => 'result' in value || 'error' in value);
}

/** Whether it names the request. Some servers turn a number into a string, or the other way around. */
export function isReplyTo(reply: Reply, id: RequestId): boolean {
  const named = reply['id'];
  if (typeof named === 'number' && typeof id === 'bigint') return named === Number(id);
  return (typeof named === 'string' || typeof named === 'number') && String(named) === String(id);
}

/** Whether it is JSON-RPC, and not what other servers have as an object with an error in it. */
export function isJsonRpc(reply: Reply): boolean {
  return 'jsonrpc' in reply || reply['id'] === null;
}

export function codeIn({ error }: Reply): number | undefined {
  return isObject(error) && typeof error['code'] === 'number' ? error['code'] : undefined;
}

export function reasonIn({ error }: Reply): unknown {
  return isObject(error) && isObject(error['data']) ? error['data']['reason'] : undefined;
}

/** What a body says for people to read: the messages in JSON, or else the body. */
export function statementsIn(text: string): string[] {
  const values = [...valuesIn(text)];
  return values.length === 0 ? [text] : values.flatMap((value) => statementsOf(value));
}

/** @param value an error, or what holds one */
export function statementsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (!isObject(value)) return [];
  const { error, message, detail } = value;
  const inner = isObject(error) ? error['message'] : error;
  return [inner, message, detail].filter((one) => typeof one === 'string');
}

function* valuesIn(text: string): Generator {
  const whole = parsed(text);
  if (whole !== undefined) return yield whole;
  if (!/^data:/m.test(text)) return undefined;
  for (const event of text.replaceAll(/\r\n?/g, '\n').split(/\n{2,}/, MAX_EVENTS)) {
    const lines = event.split('\n').filter((line) => line.startsWith('data:'));
    const value = parsed(lines.map((line) => line.slice('data:'.length)).join('\n'));
    if (value !== undefined) yield value;
  }
  return undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
