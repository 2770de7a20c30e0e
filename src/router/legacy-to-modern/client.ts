import { withEnvelope, type Envelope } from '../../era/envelope.ts';
import { envelopeOf } from '../../era/handshake.ts';
import type { Json } from '../../era/json.ts';
import { member, membersOf, type Member } from '../../protocol/json-object.ts';

/** What a client of the legacy revisions has said once, and a server of 2026-07-28 has to be told with every request. */
export interface Client {
  /** Least severity of log messages; undefined = the client has not said that it wants any. */
  level: string | undefined;
  /** What it can be asked for now. */
  readonly capabilities: Json;
  /** Members of `_meta`. */
  readonly envelope: readonly Member[];
}

const ASKING: readonly string[] = ['roots', 'sampling', 'elicitation'];

/** @param canAsk may change: a client that has closed its input can be asked no more */
export function createClient(initializeParams: Json, canAsk: () => boolean): Client {
  const told = envelopeOf(initializeParams);
  const speechless = withoutCapabilities(told, ASKING);
  let level: string | undefined;
  let written: { readonly of: Envelope; readonly members: readonly Member[] } | undefined;

  return {
    get level() {
      return level;
    },
    set level(next) {
      level = next;
      written = undefined;
    },
    get capabilities() {
      return current().clientCapabilities;
    },
    get envelope() {
      const of = current();
      if (written?.of !== of) written = { of, members: write({ ...of, logLevel: level }) };
      return written.members;
    },
  };

  function current(): Envelope {
    return canAsk() ? told : speechless;
  }
}

function withoutCapabilities(envelope: Envelope, names: readonly string[]): Envelope {
  const kept = Object.entries(envelope.clientCapabilities).filter(([name]) => !names.includes(name));
  return { ...envelope, clientCapabilities: Object.fromEntries(kept) };
}

function write(envelope: Envelope): readonly Member[] {
  const { params } = withEnvelope({ jsonrpc: '2.0', method: 'server/discover' }, envelope);
  return membersOf(member('_meta', params?.['_meta']).value);
}
