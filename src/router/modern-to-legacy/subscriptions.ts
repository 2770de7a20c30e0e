import { RunError } from '../../errors.ts';
import {
  acknowledgement,
  honouredFilter,
  isEmptyFilter,
  listenResult,
  stamped,
  wants,
  type Filter,
} from '../../era/listen.ts';
import type { Json } from '../../era/json.ts';
import { faultFrame } from '../../protocol/fault.ts';
import { frameOf, type JsonRpcMessage } from '../../protocol/frame.ts';
import { Subscriptions } from '../shared-process/subscriptions.ts';
import type { ClientPort } from '../shared-process/client-port.ts';
import { resultAnswer, type Requester } from './answer.ts';

/** What a process of a 2025 revision has to tell without being asked, for those who listen (2026-07-28, basic/patterns/subscriptions). */
export interface ListenStreams {
  readonly size: number;
  open(port: ClientPort, asker: Requester, filter: Filter, introduction: Json): Promise<void>;
  /** Sends a notification to whoever asked for it. */
  tell(notification: JsonRpcMessage): void;
  /** @returns whether there was one */
  cancel(port: ClientPort, id: unknown): boolean;
  leave(port: ClientPort): void;
  /** Ends all in good order, so that they listen anew. */
  endAll(): void;
}

interface Listen extends Requester {
  readonly port: ClientPort;
  filter: Filter;
  isAcknowledged: boolean;
}

/** Subscriptions that one of them may ask for. */
const MAX_URIS = 256;

/**
 * @param subscribe asks the process for updates of a resource; false if it refuses
 * @param unsubscribe nobody wants them any more
 */
export function createListenStreams(
  max: number,
  subscribe: (uri: string) => Promise<boolean>,
  unsubscribe: (uri: string) => void,
): ListenStreams {
  const listens = new Set<Listen>();
  const subscriptions = new Subscriptions<Listen>();

  return {
    get size() {
      return listens.size;
    },
    async open(port, asker, wanted, introduction) {
      if (listens.size >= max)
        return port.deliver(faultFrame(new RunError('TOO_MANY_LISTENS', { max }), asker.id));
      if (wanted.resourceSubscriptions.length > MAX_URIS) {
        const detail = `more than ${MAX_URIS} resources`;
        return port.deliver(faultFrame(new RunError('INVALID_PARAMS', { detail }), asker.id));
      }
      const filter = honouredFilter(wanted, capabilitiesOf(introduction));
      const listen: Listen = { ...asker, port, filter, isAcknowledged: false };
      listens.add(listen);
      const uris = await Promise.all(filter.resourceSubscriptions.map((uri) => join(listen, uri)));
      if (!listens.has(listen)) return;
      listen.filter = { ...filter, resourceSubscriptions: uris.filter((uri) => uri !== undefined) };
      listen.isAcknowledged = true;
      send(listen, acknowledgement(listen.id, listen.filter));
      if (isEmptyFilter(listen.filter)) end(listen);
    },
    tell(notification) {
      for (const listen of receiversOf(notification)) {
        if (listen.isAcknowledged) send(listen, stamped(notification, listen.id));
      }
    },
    cancel(port, id) {
      for (const listen of listens) {
        if (listen.port !== port || listen.id !== id) continue;
        remove(listen);
        return true;
      }
      return false;
    },
    leave(port) {
      for (const listen of listens) if (listen.port === port) remove(listen);
    },
    endAll() {
      for (const listen of listens) end(listen);
    },
  };

  /** An update of a resource is for those that have named exactly this one, if there are any. */
  function receiversOf(notification: JsonRpcMessage): Iterable<Listen> {
    const uri = notification.params?.['uri'];
    if (notification.method === 'notifications/resources/updated')
      return typeof uri === 'string' ? subscriptions.subscribersOf(uri) : [];
    return [...listens].filter(({ filter }) => wants(filter, notification));
  }

  /** @returns undefined if the process refuses */
  async function join(listen: Listen, uri: string): Promise<string | undefined> {
    const isFirst = !subscriptions.isConfirmed(uri);
    subscriptions.add(uri, listen);
    if (!isFirst) return uri;
    if (await subscribe(uri)) {
      subscriptions.confirm(uri);
      return uri;
    }
    subscriptions.remove(uri, listen);
    return undefined;
  }

  function end(listen: Listen): void {
    // Its first message is the acknowledgement, whatever comes then.
    if (!listen.isAcknowledged)
      send(listen, acknowledgement(listen.id, { ...listen.filter, resourceSubscriptions: [] }));
    remove(listen);
    listen.port.deliver(resultAnswer(listen, listenResult(listen.id, undefined)));
  }

  function remove(listen: Listen): void {
    listens.delete(listen);
    for (const uri of subscriptions.removeAll(listen)) unsubscribe(uri);
  }

  function send(listen: Listen, message: JsonRpcMessage): void {
    listen.port.deliver(frameOf(message));
  }
}

function capabilitiesOf({ capabilities }: Json): Json {
  return typeof capabilities === 'object' && capabilities !== null ? { ...capabilities } : {};
}
