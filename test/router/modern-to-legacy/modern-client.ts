/** A client of revision 2026-07-28 on a link of its own, and the messages that it has received. */
import { META } from '../../../src/protocol/constants.ts';
import { frameOf, parseFrame, type JsonRpcMessage, type RequestId } from '../../../src/protocol/frame.ts';
import type { ModernBackend } from '../../../src/router/modern-backend.ts';
import type { Capability } from '../../../src/config/types.ts';

export interface ModernClientOptions {
  readonly principalId?: string;
  readonly capabilities?: object;
  readonly name?: string;
  readonly withheld?: readonly Capability[];
}

export interface ModernTestClient {
  readonly received: JsonRpcMessage[];
  /** @returns its id */
  ask(method: string, params?: object, meta?: object): Promise<RequestId>;
  tell(method: string, params?: object): void;
  answerTo(id: RequestId): JsonRpcMessage | undefined;
  leave(): Promise<void>;
}

let nextId = 1;

export function connect(backend: ModernBackend, options: ModernClientOptions = {}): ModernTestClient {
  const { principalId = 'one', capabilities = {}, name = 'client', withheld = [] } = options;
  const link = backend.open({ principalId, withheld: new Set(withheld) });
  const received: JsonRpcMessage[] = [];
  link.onclose(() => {});
  link.onframe((frame) => void received.push(parseFrame(frame.bytes).message));
  return {
    received,
    async ask(method, params = {}, meta = {}) {
      const id = `id-${nextId}`;
      nextId += 1;
      const _meta = {
        [META.protocolVersion]: '2026-07-28',
        [META.clientCapabilities]: capabilities,
        [META.clientInfo]: { name, version: '1' },
        ...meta,
      };
      await link.send(frameOf({ id, method, params: { ...params, _meta } }));
      return id;
    },
    tell: (method, params = {}) => void link.send(frameOf({ method, params: { ...params } })),
    answerTo: (id) => received.find((message) => message.id === id && message.method === undefined),
    leave: () => link.close(),
  };
}
