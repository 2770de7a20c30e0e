import { RunError, toRunError } from '../../errors.ts';
import { secretsOf } from '../../observe/known-secrets.ts';
import { createMask, type Mask } from '../../observe/mask.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import type { Link } from '../../link/link.ts';
import { createAuthorization } from '../oauth/authorization.ts';
import type { RemoteTarget } from '../../config/types.ts';
import type { UpstreamOptions } from '../target.ts';
import { serverUrl } from '../oauth/token-store.ts';
import { PromptLimits, type PromptLimit } from '../oauth/prompt-limit.ts';
import { createConnection, type Connection } from './connection.ts';
import { openDispatcher } from './dispatcher.ts';
import { createServerAddresses } from './server-addresses.ts';
import { createRequestHeaders, type RequestHeaders } from './request-headers.ts';
import { createSse } from './sse.ts';
import { Streamable } from './streamable.ts';
import type { RemoteTransport, RemoteTransportOptions } from './transport.ts';
import type { Opener } from '../opener.ts';

/** What all conversations with one server have in common. */
interface Shared {
  readonly connection: Connection;
  readonly requestHeaders: RequestHeaders;
  readonly mask: Mask;
  /** It has turned out to speak HTTP+SSE. */
  isSse: boolean;
}

const INITIALIZE_TIMEOUT_MS = 60_000;

/** Keeps what the conversations with each server have in common. */
export class RemoteOpener implements Opener<RemoteTarget> {
  readonly #servers = new WeakMap<RemoteTarget, Promise<Shared>>();
  readonly #promptLimits = new PromptLimits();

  /**
   * Opens a conversation with a remote server. Nothing is sent before the first message.
   * @throws RunError `TLS_FILE_UNREADABLE`
   */
  async open(target: RemoteTarget, options: UpstreamOptions): Promise<Link> {
    let shared = this.#servers.get(target);
    if (shared === undefined) {
      shared = share(target, options, this.#promptLimits.of(serverUrl(target).href));
      this.#servers.set(target, shared);
      shared.catch(() => this.#servers.delete(target));
    }
    return createRemoteLink(target, options, await shared);
  }

  close(): void {}
}

async function share(
  target: RemoteTarget,
  options: UpstreamOptions,
  promptLimit: PromptLimit,
): Promise<Shared> {
  const { server, log } = options;
  const { url, tls, headers, oauth } = target;
  const addresses = createServerAddresses();
  const { lookup } = addresses;
  const dispatcher = await (options.openDispatcher ?? openDispatcher)(new URL(url), { server, tls, lookup });
  const authorization =
    oauth === undefined
      ? undefined
      : createAuthorization({ ...target, oauth }, { server, log, addresses, promptLimit });
  return {
    connection: createConnection({ server, dispatcher, headers, authorization }),
    requestHeaders: createRequestHeaders((tool) =>
      log.warn(
        { event: 'remote.tool-invalid', tool },
        `left out: the header annotations of tool ${tool} break the rules`,
      ),
    ),
    mask: createMask(secretsOf(target)),
    isSse: target.transport === 'sse',
  };
}

function createRemoteLink(target: RemoteTarget, options: UpstreamOptions, shared: Shared): Link {
  const { server, log } = options;
  let onframe: (frame: Frame, relatedRequestId?: RequestId) => void | Promise<void> = () => {};
  let onclose: (error?: Error) => void = () => {};
  let closing: Promise<void> | undefined;
  /** What may take over. */
  let tried: RemoteTransport | undefined;

  const transportOptions: RemoteTransportOptions = {
    server,
    url: new URL(target.url),
    connection: shared.connection,
    maxBytes: options.lineLimitBytes,
    patienceMs: target.patienceMs,
    initializeTimeoutMs: options.initializeTimeoutMs ?? INITIALIZE_TIMEOUT_MS,
    requestHeaders: shared.requestHeaders,
    mask: shared.mask,
    log,
    deliver,
    fail: (error) => void end(error),
    ...(options.makeRoom !== undefined && { makeRoom: options.makeRoom }),
    reached(failure) {
      if (closing === undefined) options.onReachabilityChange?.(failure);
    },
  };
  let transport: RemoteTransport = shared.isSse ? createSse(transportOptions) : createStreamableOrOlder();

  return {
    peer: 'server',
    era: 'legacy',
    principal: 'remote',
    supports: { notifications: true, requests: true },
    send: (frame) => transport.send(frame),
    onframe(handler) {
      onframe = handler;
    },
    // A server that goes away is noticed by what is said to it.
    onend() {},
    onclose(handler) {
      onclose = handler;
    },
    abandonResponse() {},
    close: () => end(new RunError('UPSTREAM_CLOSED', { server, exitCode: 0 })),
  };

  function deliver(frame: Frame, relatedRequestId?: RequestId): void | Promise<void> {
    return closing === undefined ? onframe(frame, relatedRequestId) : undefined;
  }

  function createStreamableOrOlder(): RemoteTransport {
    const common = { ...transportOptions, handOver: (frame: Frame) => void transport.send(frame) };
    return new Streamable(target.transport === 'auto' ? { ...common, tryOlder } : common);
  }

  /** As the specification has clients find out (2025-11-25, basic/transports, backward compatibility). */
  async function tryOlder(initialize: Frame): Promise<RunError | undefined> {
    const older = createSse({ ...transportOptions, patienceMs: 0 });
    tried = older;
    try {
      await older.ready();
    } catch (error) {
      log.debug({ event: 'remote.no-sse' }, `not a server of HTTP+SSE either: ${String(error)}`);
      await older.close();
      return toRunError(error);
    }
    log.info({ event: 'remote.transport', transport: 'sse' }, 'the server speaks HTTP+SSE');
    shared.isSse = true;
    const before = transport;
    transport = older;
    void older.send(initialize);
    // Messages that wait behind `initialize` come by the older transport, ahead of those that are still to come.
    void before.close();
    return undefined;
  }

  function end(error: RunError): Promise<void> {
    closing ??= Promise.all([transport.close(), tried?.close()]).then(() => onclose(error));
    return closing;
  }
}
