import { onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { RunError } from '../../../src/errors.ts';
import type { JsonRpcMessage, RequestId } from '../../../src/protocol/frame.ts';
import type { Link } from '../../../src/link/link.ts';
import type { Capability } from '../../../src/config/types.ts';
import { capabilityFilter } from '../../../src/link/capability-filter.ts';
import { Conversation, type ConversationOptions } from '../../../src/router/conversation/conversation.ts';
import { createRecordingLog, type RecordingLog } from '../../observe/recording-log.ts';
import { createMemoryLink, type MemoryLink, type Sent } from '../../support/memory-link.ts';

export interface Setup {
  readonly client: MemoryLink;
  readonly server: MemoryLink;
  readonly conversation: Conversation;
  readonly log: RecordingLog;
  /** How often the upstream was opened. */
  readonly opened: number;
}

interface Overrides extends Partial<ConversationOptions> {
  readonly client?: MemoryLink;
  readonly withheld?: ReadonlySet<Capability>;
}

/** A client and a server, joined. Over before the test is. */
export function join(overrides: Overrides = {}): Setup {
  const {
    client = createMemoryLink('client'),
    withheld = new Set(['roots'] as const),
    ...options
  } = overrides;
  const server = createMemoryLink('server');
  const log = createRecordingLog();
  let opened = 0;
  const onWithheld = (capabilities: readonly string[]): void =>
    log.info({ event: 'client.withheld', capabilities }, 'withheld');
  const conversation = new Conversation(capabilityFilter({ withheld, onWithheld })(client), {
    server: 'files',
    eager: false,
    reserve: () => {},
    initializeTimeoutMs: 5_000,
    requestTimeoutMs: 5_000,
    maxRequestTimeMs: 10_000,
    openUpstream: async (): Promise<Link> => {
      opened += 1;
      return server;
    },
    clock: systemClock,
    log,
    ...options,
  }).start();
  onTestFinished(() => conversation.close(new RunError('SHUTTING_DOWN')));
  return {
    client,
    server,
    conversation,
    log,
    get opened() {
      return opened;
    },
  };
}

/** As `join`, past the handshake, with the messages of the handshake forgotten. */
export async function joinInitialized(overrides: Overrides = {}, capabilities: object = {}): Promise<Setup> {
  const setup = join(overrides);
  const { client, server } = setup;
  await client.deliver(initialize('init', capabilities));
  await server.deliver({ id: 'init', result: { protocolVersion: '2025-11-25', capabilities: {} } });
  await client.deliver({ method: 'notifications/initialized' });
  forget(client);
  forget(server);
  return setup;
}

export function initialize(
  id: RequestId = 'init',
  capabilities: object = {},
): Omit<JsonRpcMessage, 'jsonrpc'> {
  return {
    id,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities, clientInfo: { name: 't', version: '1' } },
  };
}

export function call(id: RequestId, meta?: object): Omit<JsonRpcMessage, 'jsonrpc'> {
  return { id, method: 'tools/call', params: { name: 'x', ...(meta && { _meta: meta }) } };
}

/** Which of the client's requests each message of this method was sent about. */
export function aboutOf(link: MemoryLink, method: string): (RequestId | undefined)[] {
  return link.sent
    .filter(({ message }) => message.method === method)
    .map(({ relatedRequestId }) => relatedRequestId);
}

function forget(link: MemoryLink): void {
  (link.sent as Sent[]).length = 0;
}
