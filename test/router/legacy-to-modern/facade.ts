/** A facade whose legacy client and modern server are the test. */
import { setImmediate as turn } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { META } from '../../../src/protocol/constants.ts';
import {
  parseFrame,
  peekFrame,
  type Frame,
  type JsonRpcMessage,
  type RequestId,
} from '../../../src/protocol/frame.ts';
import type { Link } from '../../../src/link/link.ts';
import { presentAsLegacy, type FacadeOptions } from '../../../src/router/legacy-to-modern/facade.ts';
import { createRecordingLog, type RecordingLog } from '../../observe/recording-log.ts';
import { createMemoryLink, type MemoryLink } from '../../support/memory-link.ts';

export interface Received {
  readonly message: JsonRpcMessage;
  readonly relatedRequestId: RequestId | undefined;
  /** As it is written. */
  readonly text: string;
}

export interface Facade {
  readonly link: Link;
  readonly server: MemoryLink;
  readonly log: RecordingLog;
  /** What the client got, oldest first. */
  readonly received: Received[];
  readonly closedWith: (Error | undefined)[];
  /** What the client's handler returns from now on. */
  holdWith(wait: Promise<void> | undefined): void;
  /** The client says something: a message, or the text of one. */
  send(message: Message | string): void | Promise<void>;
  /** The server says something, likewise. */
  say(message: Message | string, relatedRequestId?: RequestId): void | Promise<void>;
  /** The newest request of this method that the server has got. */
  requested(method: string): Request;
  /** How many of them. */
  count(method: string): number;
  /** The only answer with this id. */
  answerTo(id: RequestId): JsonRpcMessage;
  /** Questions to the client, oldest first. */
  questions(): {
    readonly id: RequestId;
    readonly message: JsonRpcMessage;
    readonly relatedRequestId: RequestId | undefined;
  }[];
}

export interface Request {
  readonly id: RequestId;
  readonly params: Record<string, unknown>;
  readonly meta: Record<string, unknown>;
}

type Message = Omit<JsonRpcMessage, 'jsonrpc'>;

const SERVER_CAPABILITIES = {
  tools: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  logging: {},
};

export const DISCOVERED = {
  resultType: 'complete',
  supportedVersions: ['2026-07-28'],
  capabilities: SERVER_CAPABILITIES,
  instructions: 'Be kind.',
  ttlMs: 1_000,
  cacheScope: 'public',
  _meta: { [META.serverInfo]: { name: 'modern', version: '9' } },
};

export function createFacade(options: Partial<FacadeOptions> = {}): Facade {
  const server = createMemoryLink('server');
  const log = createRecordingLog();
  const received: Received[] = [];
  const closedWith: (Error | undefined)[] = [];
  let wait: Promise<void> | undefined;
  const link = presentAsLegacy(server, { server: 'files', clock: systemClock, log, ...options });
  link.onclose((error) => void closedWith.push(error));
  link.onframe((frame, relatedRequestId) => {
    // Parsed anew: what the client sees are bytes.
    received.push({ message: parseFrame(frame.bytes).message, relatedRequestId, text: textOf(frame) });
    return wait;
  });
  onTestFinished(() => link.close());

  return {
    link,
    server,
    log,
    received,
    closedWith,
    holdWith: (next) => void (wait = next),
    send: (message) => link.send(parseFrame(bytesOf(message))),
    say: (message, relatedRequestId) => server.deliver(peekFrame(bytesOf(message)), relatedRequestId),
    requested(method) {
      const sent = server.sent.findLast(({ message }) => message.method === method);
      const { id, params = {} } = sent?.message ?? {};
      if (id === undefined || id === null) throw new Error(`the server got no ${method}`);
      return { id, params, meta: Object(params['_meta']) };
    },
    count: (method) => server.sent.filter(({ message }) => message.method === method).length,
    answerTo(id) {
      const answers = received.filter(({ message }) => message.id === id && message.method === undefined);
      if (answers.length !== 1 || answers[0] === undefined)
        throw new Error(`${answers.length} answers to ${id}`);
      return answers[0].message;
    },
    questions: () =>
      received.flatMap(({ message, relatedRequestId }) =>
        message.method !== undefined && message.id !== undefined && message.id !== null
          ? [{ id: message.id, message, relatedRequestId }]
          : [],
      ),
  };
}

export interface ClientTraits {
  readonly capabilities?: object;
  readonly protocolVersion?: string;
}

/** As `createFacade`, past the handshake, with what it took forgotten. */
export async function introduced(
  options: Partial<FacadeOptions> = {},
  traits: ClientTraits = {},
): Promise<Facade> {
  const facade = createFacade({ discovered: DISCOVERED, ...options });
  await facade.send(initialize('init', traits));
  facade.received.length = 0;
  return facade;
}

/** Past `notifications/initialized` as well, with the server's acknowledgement of the subscription that it brings. */
export async function listening(
  options: Partial<FacadeOptions> = {},
): Promise<Facade & { listenId: RequestId }> {
  const facade = await introduced(options);
  await facade.send({ method: 'notifications/initialized' });
  const { id } = facade.requested('subscriptions/listen');
  acknowledge(facade);
  return { ...facade, listenId: id };
}

/** The server accepts the newest subscription, or a part of it. */
export function acknowledge(facade: Facade, accepted?: object): void {
  const { id, params } = facade.requested('subscriptions/listen');
  void facade.say({
    method: 'notifications/subscriptions/acknowledged',
    params: {
      _meta: { [META.subscriptionId]: id },
      notifications: accepted ?? params['notifications'],
    },
  });
}

export function initialize(
  id: RequestId,
  { capabilities = {}, protocolVersion = '2025-11-25' }: ClientTraits = {},
): Message {
  const clientInfo = { name: 'client', version: '1' };
  return { id, method: 'initialize', params: { protocolVersion, capabilities, clientInfo } };
}

export function toolCall(id: RequestId, params: object = {}): Message {
  return { id, method: 'tools/call', params: { name: 'x', ...params } };
}

export function inputRequired(
  id: RequestId,
  inputRequests: object | undefined,
  requestState?: string,
): Message {
  return {
    id,
    result: {
      resultType: 'input_required',
      ...(inputRequests !== undefined && { inputRequests }),
      ...(requestState !== undefined && { requestState }),
    },
  };
}

/** Lets what is under way come to rest. */
export async function settle(): Promise<void> {
  await turn();
  await turn();
}

function bytesOf(message: Message | string): Buffer {
  return Buffer.from(typeof message === 'string' ? message : JSON.stringify({ jsonrpc: '2.0', ...message }));
}

function textOf(frame: Frame): string {
  return Buffer.from(frame.bytes).toString();
}
