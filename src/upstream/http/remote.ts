import type { Clock } from '../../clock.ts';
import { RunError, toRunError } from '../../errors.ts';
import { secretsOf } from '../../observe/known-secrets.ts';
import { createMask, type Mask } from '../../observe/mask.ts';
import type { Frame, RequestId } from '../../protocol/frame.ts';
import type { Link } from '../../link/link.ts';
import type { Principal } from '../../link/principal.ts';
import { OAuthAuthorization } from '../oauth/authorization.ts';
import type { RemoteTarget } from '../../config/types.ts';
import type { UpstreamOptions } from '../target.ts';
import { serverUrl } from '../oauth/token-store.ts';
import { PromptLimits, type PromptLimit } from '../oauth/prompt-limit.ts';
import { createConnection, type Connection } from './connection.ts';
import { openDispatcher } from './dispatcher.ts';
import { createServerAddresses } from './server-addresses.ts';
import { createRequestHeaders, type RequestHeaders } from './request-headers.ts';
import { Sse } from './sse.ts';
import { Streamable } from './streamable.ts';
import type { RemoteTransport, RemoteTransportOptions } from './transport.ts';
import type { Opener } from '../opener.ts';

type FrameHandler = (frame: Frame, relatedRequestId?: RequestId) => void | Promise<void>;

/** What all conversations with one server have in common. */
interface RemoteServer {
  readonly connection: Connection;
  readonly requestHeaders: RequestHeaders;
  readonly mask: Mask;
  readonly clock: Clock;
  /** It has turned out to speak HTTP+SSE. */
  isSse: boolean;
}

const INITIALIZE_TIMEOUT_MS = 60_000;
const REMOTE: Principal = { id: 'remote', claims: {} };

async function connectTo(
  target: RemoteTarget,
  options: UpstreamOptions,
  promptLimit: PromptLimit,
  clock: Clock,
): Promise<RemoteServer> {
  const { server, log } = options;
  const { url, tls, headers, oauth } = target;
  const addresses = createServerAddresses();
  const { lookup } = addresses;
  const open = options.openDispatcher ?? openDispatcher;
  const dispatcher = await open(new URL(url), { server, tls, lookup, clock });
  const authorization =
    oauth === undefined
      ? undefined
      : new OAuthAuthorization({ ...target, oauth }, { server, log, addresses, promptLimit, clock });
  return {
    connection: createConnection({ server, dispatcher, headers, authorization, clock }),
    requestHeaders: createRequestHeaders((tool) =>
      log.warn(
        { event: 'remote.tool-invalid', tool },
        `left out: the header annotations of tool ${tool} break the rules`,
      ),
    ),
    mask: createMask(secretsOf(target)),
    clock,
    isSse: target.transport === 'sse',
  };
}

/**
 * A conversation with a remote server. The transport behind it may change once, from Streamable HTTP to HTTP+SSE, while
 * the answer to `initialize` is waited for.
 */
class RemoteLink implements Link {
  readonly peer = 'server';
  readonly era = 'legacy';
  readonly principal = REMOTE;
  readonly supports = { notifications: true, requests: true };
  readonly #options: UpstreamOptions;
  readonly #server: RemoteServer;
  readonly #transportOptions: RemoteTransportOptions;
  #transport: RemoteTransport;
  /** A transport that may replace the present one. */
  #candidate: Sse | undefined;
  #closing: Promise<void> | undefined;
  #onframe: FrameHandler = () => {};
  #onclose: (error?: Error) => void = () => {};

  constructor(target: RemoteTarget, options: UpstreamOptions, server: RemoteServer) {
    this.#options = options;
    this.#server = server;
    this.#transportOptions = {
      server: options.server,
      url: new URL(target.url),
      connection: server.connection,
      maxBytes: options.lineLimitBytes,
      patienceMs: target.patienceMs,
      initializeTimeoutMs: options.initializeTimeoutMs ?? INITIALIZE_TIMEOUT_MS,
      requestHeaders: server.requestHeaders,
      mask: server.mask,
      clock: server.clock,
      log: options.log,
      deliver: (frame, relatedRequestId) => this.#deliver(frame, relatedRequestId),
      fail: (error) => void this.#end(error),
      reached: (failure) => this.#onReached(failure),
      ...(options.makeRoom !== undefined && { makeRoom: options.makeRoom }),
    };
    this.#transport = server.isSse
      ? new Sse(this.#transportOptions)
      : this.#createStreamable(target.transport === 'auto');
  }

  send(frame: Frame): void | Promise<void> {
    return this.#transport.send(frame);
  }

  onframe(handler: FrameHandler): void {
    this.#onframe = handler;
  }

  /** A server that goes away is noticed by the messages that it is sent. */
  onend(): void {}

  onclose(handler: (error?: Error) => void): void {
    this.#onclose = handler;
  }

  abandonResponse(): void {}

  close(): Promise<void> {
    return this.#end(new RunError('UPSTREAM_CLOSED', { server: this.#options.server, exitCode: 0 }));
  }

  #createStreamable(mayBeOlder: boolean): Streamable {
    const options = {
      ...this.#transportOptions,
      handOver: (frame: Frame) => void this.#transport.send(frame),
    };
    return new Streamable(
      mayBeOlder ? { ...options, tryOlder: (initialize) => this.#tryOlder(initialize) } : options,
    );
  }

  #deliver(frame: Frame, relatedRequestId?: RequestId): void | Promise<void> {
    return this.#closing === undefined ? this.#onframe(frame, relatedRequestId) : undefined;
  }

  #onReached(failure: RunError | undefined): void {
    if (this.#closing === undefined) this.#options.onReachabilityChange?.(failure);
  }

  /** As the specification has clients find out (2025-11-25, basic/transports, backward compatibility). */
  async #tryOlder(initialize: Frame): Promise<RunError | undefined> {
    const { log } = this.#options;
    const older = new Sse({ ...this.#transportOptions, patienceMs: 0 });
    this.#candidate = older;
    try {
      await older.ready();
    } catch (error) {
      log.debug({ event: 'remote.no-sse' }, `not a server of HTTP+SSE either: ${String(error)}`);
      await older.close();
      return toRunError(error);
    }
    log.info({ event: 'remote.transport', transport: 'sse' }, 'the server speaks HTTP+SSE');
    this.#server.isSse = true;
    const before = this.#transport;
    this.#transport = older;
    older.send(initialize);
    // Messages that wait behind `initialize` come by the older transport, ahead of those that are still to come.
    void before.close();
    return undefined;
  }

  #end(error: RunError): Promise<void> {
    this.#closing ??= Promise.all([this.#transport.close(), this.#candidate?.close()]).then(() =>
      this.#onclose(error),
    );
    return this.#closing;
  }
}

/** Keeps what the conversations with each server have in common. */
export class RemoteOpener implements Opener<RemoteTarget> {
  readonly #servers = new WeakMap<RemoteTarget, Promise<RemoteServer>>();
  readonly #clock: Clock;
  readonly #promptLimits: PromptLimits;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#promptLimits = new PromptLimits(clock);
  }

  /**
   * Opens a conversation with a remote server. Nothing is sent before the first message.
   * @throws RunError `TLS_FILE_UNREADABLE`
   */
  async open(target: RemoteTarget, options: UpstreamOptions): Promise<Link> {
    let server = this.#servers.get(target);
    if (server === undefined) {
      server = connectTo(target, options, this.#promptLimits.of(serverUrl(target).href), this.#clock);
      this.#servers.set(target, server);
      server.catch(() => this.#servers.delete(target));
    }
    return new RemoteLink(target, options, await server);
  }

  close(): void {}
}
