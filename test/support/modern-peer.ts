/** The client for a rough life, in revision 2026-07-28: every request is a POST and says all of it. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { MCP_HEADERS } from './http.ts';
import { at, json, type Json } from './json.ts';
import { envelope, mirroredHeaders } from './modern.ts';
import { PeerGone, readAll, readEvents, type Peer, type PeerAnswer, type PeerOptions } from './peer.ts';

/** A client of another name is another one to the server. */
export interface ModernPeerOptions extends PeerOptions {
  readonly name?: string;
}

type Id = string | number;

/** @param options `answer` answers what a result asks for; the result of `request` is the last one. */
export function connectModernPeer(url: string, options: ModernPeerOptions = {}): Peer {
  const open = new Map<Id, IncomingMessage | undefined>();
  const cancels = new Map<Id, () => void>();
  const strays: string[] = [];
  let paused = false;
  let gone = false;
  let nextId = 1;

  return {
    strays,
    headers: {},
    postUrl: url,
    request,
    notify: async (method, params = {}) => void (await post({ method, params }, 'none')).resume(),
    async answerTo() {
      throw new Error('in this revision an answer comes with its request');
    },
    async cancel(id) {
      cancels.get(id)?.();
    },
    pause() {
      paused = true;
      for (const stream of open.values()) stream?.pause();
    },
    resume() {
      paused = false;
      for (const stream of open.values()) stream?.resume();
    },
    drop,
    end: async () => drop(),
  };

  async function request(method: string, params: Json = {}, id: Id = nextId++): Promise<PeerAnswer> {
    let sent = params;
    for (;;) {
      const answer = await requestOnce(method, sent, id);
      const result = json(answer.message['result']);
      if (result['resultType'] !== 'input_required') return answer;
      const inputResponses = answersTo(json(result['inputRequests']));
      if (inputResponses === undefined) return answer;
      sent = { ...params, inputResponses, requestState: result['requestState'] };
    }
  }

  function answersTo(inputRequests: Json): Json | undefined {
    const { answer } = options;
    if (answer === undefined) return undefined;
    const entries = Object.entries(inputRequests).map(([key, entry]) => {
      const { method, params } = json(entry);
      return [key, answer(String(method), json(params))['result']];
    });
    return Object.fromEntries(entries) as Json;
  }

  async function requestOnce(method: string, params: Json, id: Id): Promise<PeerAnswer> {
    const clientInfo = { name: options.name ?? 'peer', version: '1' };
    const _meta = {
      ...envelope(options.capabilities),
      'io.modelcontextprotocol/clientInfo': clientInfo,
      ...json(params['_meta']),
    };
    const incoming = await post({ id, method, params: { ...params, _meta } }, id);
    open.set(id, incoming);
    if (paused) incoming.pause();
    return await new Promise<PeerAnswer>((resolve, reject) => {
      let answer: PeerAnswer | undefined;
      const receive = (text: string): void => {
        const message = json(JSON.parse(text));
        if (message['method'] !== undefined) return notified(message, answer !== undefined);
        if (answer !== undefined || message['id'] !== id)
          strays.push(`not asked, or twice: ${text.slice(0, 200)}`);
        answer ??= { message, status: incoming.statusCode };
        resolve(answer);
      };
      if (incoming.headers['content-type'] === 'text/event-stream')
        readEvents(incoming, ({ data }) => receive(data));
      else readAll(incoming, receive);
      // Behind the reader, which may have the answer only then.
      incoming.once('close', () => {
        open.delete(id);
        cancels.delete(id);
        if (answer === undefined) reject(new PeerGone('the connection ended without an answer'));
      });
    });
  }

  function notified(message: Json, isAnswered: boolean): void {
    const text = JSON.stringify(message).slice(0, 200);
    if (isAnswered) strays.push(`after the answer: ${text}`);
    if (message['id'] !== undefined) strays.push(`a request: ${text}`);
    options.onNotification?.(String(message['method']), json(at(message, 'params')));
  }

  function drop(): void {
    gone = true;
    for (const cancel of cancels.values()) cancel();
  }

  function post(message: Json, id: Id): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      if (gone) return reject(new PeerGone('dropped'));
      const body = JSON.stringify({ jsonrpc: '2.0', ...message });
      const headers = { ...MCP_HEADERS, ...mirroredHeaders(message) };
      const outgoing = httpRequest(url, { agent: false, method: 'POST', headers }, (incoming) => {
        incoming.on('error', () => {});
        resolve(incoming);
      });
      cancels.set(id, () => {
        if (outgoing.socket === null) outgoing.destroy();
        else outgoing.socket.resetAndDestroy();
        reject(new PeerGone('cancelled'));
      });
      outgoing.on('error', (error) => reject(new PeerGone(String(error))));
      outgoing.end(body);
    });
  }
}
