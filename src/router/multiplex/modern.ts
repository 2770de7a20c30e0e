import { jsonOf } from '../../era/json.ts';
import { listenResult, readFilter } from '../../era/listen.ts';
import { RunError } from '../../errors.ts';
import type { Link } from '../../link/link.ts';
import { LISTEN, META } from '../../protocol/constants.ts';
import { faultFrame } from '../../protocol/fault.ts';
import { frameOf, type Frame } from '../../protocol/frame.ts';
import type { RequestId } from '../../protocol/request-id.ts';
import { replaceValues, textOf, valueAt, type Scanned } from '../../protocol/rewrite.ts';
import type { Member } from '../../protocol/scan.ts';
import { severityOf } from '../log-levels.ts';
import type { ModernBackend } from '../modern-backend.ts';
import type { InFlightRequest, RequestScope } from '../shared-process/in-flight-request.ts';
import type { RunningProcess } from '../shared-process/process-life.ts';
import { StatelessProcess } from '../shared-process/stateless-process.ts';
import { ModernPort } from './modern-port.ts';
import { Multiplexer, type MultiplexerOptions, type Wait } from './multiplexer.ts';
import { TaskOwners } from './task-owners.ts';

export interface ModernMultiplexerOptions extends MultiplexerOptions {
  /** The only principal that it serves: its process may end for another one of that principal. */
  readonly principalId?: string;
}

type Request = InFlightRequest<ModernPort>;

const QUOTE = 0x22;
const BRACE = 0x7b;

/**
 * One process of a modern server for all clients: it knows each of them but by the request at hand (2026-07-28, basic/index,
 * statelessness). Subscriptions become numbers of ours as well; everything else passes as it came.
 */
export class ModernMultiplexer extends Multiplexer<ModernPort, RunningProcess> implements ModernBackend {
  protected override readonly process: StatelessProcess;
  readonly #principalId: string | undefined;
  /** Undefined where all clients are of one principal. */
  readonly #taskOwners: TaskOwners | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ModernMultiplexerOptions) {
    super(options);
    this.process = new StatelessProcess(this.lifeOptions());
    this.#principalId = options.principalId;
    this.#taskOwners = options.principalId === undefined ? new TaskOwners() : undefined;
  }

  /** @param first a process that runs already */
  static create({
    first,
    ...options
  }: ModernMultiplexerOptions & { readonly first: Link | undefined }): ModernMultiplexer {
    const multiplexer = new ModernMultiplexer(options);
    if (first !== undefined) multiplexer.process.adopt(first);
    return multiplexer;
  }

  get pending(): number {
    return this.requests.size;
  }

  open({ principalId }: { readonly principalId: string }): Link {
    const port = new ModernPort(this, this.portOptions(principalId));
    this.ports.add(port);
    return port;
  }

  /** A process that several principals use is not for one of them to end. */
  evictIdle(principalId: string): boolean {
    return principalId === this.#principalId && this.endIdle();
  }

  override close(reason: RunError): Promise<void> {
    this.#closing ??= this.#shut(reason);
    return this.#closing;
  }

  async #shut(reason: RunError): Promise<void> {
    const closed = super.close(reason);
    for (const port of this.ports.values()) port.end(reason);
    await closed;
  }

  // From the clients

  protected override onClientRequest(port: ModernPort, frame: Frame, scanned: Scanned): Wait {
    if (this.#taskOwners?.isForeign(frame, port.principalId) === true)
      return port.deliver(faultFrame(new RunError('NOT_SHARED', { method: frame.method ?? '' }), frame.id));
    const request = this.requestOf(port, frame, scanned, scopeOf(frame));
    if (request === undefined) return undefined;
    identify(request, scanned);
    return this.sendRequest(request, scanned);
  }

  protected override onClientNotification(port: ModernPort, frame: Frame, scanned: Scanned): Wait {
    return frame.method === 'notifications/cancelled'
      ? this.cancelRequest(port, scanned)
      : this.process.send(frame);
  }

  // From the server

  /** No client may answer it (2026-07-28, basic/transports/stdio, receiving messages). */
  protected override onServerRequest(method: string): void {
    this.log.warn(
      { event: 'server.request-dropped', method },
      `a request, which this revision has none of: ${method}`,
    );
  }

  protected override answerTo(request: Request, scanned: Scanned, frame: Frame): Frame {
    this.#taskOwners?.learn(frame, request.port.principalId);
    return request.scope === 'call' || scanned.isError
      ? super.answerTo(request, scanned, frame)
      : this.#listenEnd(request, frame);
  }

  /** The result names the subscription as well. */
  #listenEnd({ id }: Request, frame: Frame): Frame {
    try {
      const { result } = frame.message;
      const _meta = { ...jsonOf(result?.['_meta']), [META.subscriptionId]: id };
      return frameOf({ ...frame.message, id, result: { ...result, _meta } });
    } catch (error) {
      // Its outline was sound, its content is not.
      const { server } = this;
      return faultFrame(new RunError('MALFORMED_ANSWER', { server, method: LISTEN }, { cause: error }), id);
    }
  }

  protected override onServerNotification(
    scanned: Scanned,
    frame: Frame,
    relatedRequestId: RequestId | undefined,
  ): void {
    if (scanned.method === 'notifications/progress') return this.deliverProgress(scanned);
    if (scanned.method === 'notifications/cancelled')
      return this.#endListen(valueAt(scanned, 'params.requestId'));
    if (scanned.find('subscription') !== undefined) return this.#deliverToListener(scanned);
    const caller =
      relatedRequestId === undefined ? this.#callerOf(scanned) : this.requests.get(relatedRequestId);
    return caller === undefined ? this.dropNotification(scanned) : caller.port.deliver(frame);
  }

  #deliverToListener(scanned: Scanned): void {
    const request = this.requests.get(valueAt(scanned, 'subscription'));
    if (request === undefined || request.scope === 'call') return;
    const replacement = { place: 'subscription', text: request.idText } as const;
    request.port.deliver(replaceValues(scanned, undefined, [replacement]));
  }

  /** The newest request that a message without correlation may belong to; a log line only if that request asked for it. */
  #callerOf(scanned: Scanned): Request | undefined {
    const candidates = this.requests.candidates();
    if (scanned.method !== 'notifications/message') return candidates.at(-1);
    const severity = severityOf(valueAt(scanned, 'params.level'));
    const isSole = candidates.length === 1;
    return candidates.findLast(({ level }) => (level === undefined ? isSole : level <= severity));
  }

  /** A server cancels nothing but a subscription (2026-07-28, basic/patterns/cancellation). */
  #endListen(number: unknown): void {
    const request = this.requests.get(number);
    if (request === undefined || request.scope === 'call') return;
    this.requests.settle(request, 0);
    request.port.deliver(this.failureOf(request, this.closed));
    this.checkIdle();
  }

  // The life of the process

  protected override get isIdle(): boolean {
    return this.requests.size === 0;
  }

  protected override onLost(reason: RunError, wasReady: boolean): void {
    this.#taskOwners?.clear();
    super.onLost(reason, wasReady);
  }

  /** Subscriptions end in good order, so that their clients listen anew. */
  protected override failureOf(request: Request, reason: RunError): Frame {
    const { id, scope } = request;
    return scope === 'call'
      ? super.failureOf(request, reason)
      : frameOf({ id, result: { ...listenResult(id, undefined) } });
  }

  protected override endProcess(): void {
    this.#taskOwners?.clear();
    this.process.retire(this.closed);
  }
}

/**
 * A client is a principal and a name; one without a name is known by its port alone. What a faulty envelope says does not count
 * (`readEnvelope`, without parsing the message).
 */
function identify(request: Request, scanned: Scanned): void {
  const clientInfo = scanned.find('clientInfo');
  const logLevel = scanned.find('logLevel');
  if (clientInfo === undefined && logLevel === undefined) return;
  const severity = logLevel === undefined ? undefined : severityOf(valueAt(scanned, 'logLevel'));
  if (
    severity === -1 ||
    !startsWith(scanned, scanned.find('protocolVersion'), QUOTE) ||
    !startsWith(scanned, scanned.find('clientCapabilities'), BRACE) ||
    (clientInfo !== undefined && !startsWith(scanned, clientInfo, BRACE))
  )
    return;
  if (clientInfo !== undefined) request.owner = `${request.port.principalId}\n${textOf(scanned, clientInfo)}`;
  request.level = severity;
}

function startsWith({ bytes }: Scanned, member: Member | undefined, byte: number): boolean {
  return member !== undefined && bytes[member.start] === byte;
}

function scopeOf(frame: Frame): RequestScope {
  if (frame.method !== LISTEN) return 'call';
  const filter = readFilter(jsonOf(frame.message.params));
  return filter === undefined || filter.resourceSubscriptions.length > 0 ? 'watch' : 'listen';
}
