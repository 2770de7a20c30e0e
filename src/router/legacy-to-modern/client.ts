import { envelopeOf } from '../../era/handshake.ts';
import { withEnvelope, type Envelope } from '../../era/envelope.ts';
import type { Json } from '../../era/json.ts';
import { member, membersOf, type Member } from '../../protocol/json-object.ts';

/** Capabilities by which a client says that it answers requests. */
const REQUEST_CAPABILITIES: readonly string[] = ['roots', 'sampling', 'elicitation'];

/** The data that a client of the legacy revisions sends once, and a server of 2026-07-28 gets with every request. */
export class Client {
  readonly #supportsRequests: () => boolean;
  readonly #declared: Envelope;
  /** The same without the capabilities to answer requests. */
  readonly #reduced: Envelope;
  #level: string | undefined;
  #written: { readonly of: Envelope; readonly members: readonly Member[] } | undefined;

  /** @param supportsRequests may change: a client that has closed its input answers no more requests */
  constructor(initializeParams: Json, supportsRequests: () => boolean) {
    this.#supportsRequests = supportsRequests;
    this.#declared = envelopeOf(initializeParams);
    this.#reduced = withoutCapabilities(this.#declared, REQUEST_CAPABILITIES);
  }

  /** Minimum severity of log messages; undefined = the client has not subscribed to any. */
  get level(): string | undefined {
    return this.#level;
  }

  set level(next: string | undefined) {
    this.#level = next;
    this.#written = undefined;
  }

  /** The capabilities that it has now. */
  get capabilities(): Json {
    return this.#current().clientCapabilities;
  }

  /** Members of `_meta`. */
  get envelope(): readonly Member[] {
    const of = this.#current();
    if (this.#written?.of !== of)
      this.#written = { of, members: membersOfEnvelope({ ...of, logLevel: this.#level }) };
    return this.#written.members;
  }

  #current(): Envelope {
    return this.#supportsRequests() ? this.#declared : this.#reduced;
  }
}

function withoutCapabilities(envelope: Envelope, names: readonly string[]): Envelope {
  const kept = Object.entries(envelope.clientCapabilities).filter(([name]) => !names.includes(name));
  return { ...envelope, clientCapabilities: Object.fromEntries(kept) };
}

function membersOfEnvelope(envelope: Envelope): readonly Member[] {
  const { params } = withEnvelope({ jsonrpc: '2.0', method: 'server/discover' }, envelope);
  return membersOf(member('_meta', params?.['_meta']).value);
}
