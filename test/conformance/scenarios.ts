/** What a client does in each of the suite's client scenarios. */
import type { Json } from '../support/json.ts';
import { at, json } from '../support/json.ts';
import type { Step } from './harness.ts';

export interface Server {
  /** Resolves with the result. */
  ask(method: string, params?: Json): Promise<Json>;
}

export interface Part {
  readonly capabilities?: Json;
  /** Fills in a form. */
  readonly fillIn?: (actor: Server) => Promise<Json>;
  readonly act: (actor: Server, cue: Step) => Promise<unknown>;
  /** The client has to fail: what the server or its authorization server says is wrong. */
  readonly isRefused?: true;
}

const list = (actor: Server): Promise<Json> => actor.ask('tools/list');

/** What the scenarios about authorization have in common: they look at how it was obtained. */
const authorized: Part = {
  act: async (actor) => {
    await list(actor);
    return call(actor, 'test-tool');
  },
};
const refused: Part = { ...authorized, isRefused: true };

const PARTS: Readonly<Record<string, Part>> = {
  initialize: { act: list },
  'request-metadata': { act: list },
  'json-schema-ref-no-deref': { act: list },
  tools_call: {
    act: async (actor) => {
      await list(actor);
      return call(actor, 'add_numbers', { a: 2, b: 3 });
    },
  },
  'sse-retry': {
    act: async (actor) => {
      await list(actor);
      return call(actor, 'test_reconnection');
    },
  },
  'elicitation-sep1034-client-defaults': {
    capabilities: { elicitation: { form: { applyDefaults: true } } },
    fillIn: () => Promise.resolve({}),
    act: async (actor) => {
      await list(actor);
      return call(actor, 'test_client_elicitation_defaults');
    },
  },
  'sep-2322-client-request-state': {
    capabilities: { elicitation: { form: {} } },
    // A call between a demand for input and its answer takes nothing of either along.
    fillIn: async (actor) => {
      await call(actor, 'test_mrtr_unrelated');
      return { confirmed: true };
    },
    act: async (actor) => {
      await list(actor);
      await call(actor, 'test_mrtr_echo_state');
      await call(actor, 'test_mrtr_no_state');
      // What counts is that nobody asks again: the official client takes a result without a type for an error.
      await call(actor, 'test_mrtr_no_result_type').catch(() => {});
    },
  },
  'http-standard-headers': {
    act: async (actor) => {
      for (const name of await namesOf(actor, 'tools', 'name')) await call(actor, name);
      for (const uri of await namesOf(actor, 'resources', 'uri')) await actor.ask('resources/read', { uri });
      for (const name of await namesOf(actor, 'prompts', 'name')) await actor.ask('prompts/get', { name });
    },
  },
  'http-custom-headers': {
    act: async (actor, { context }) => {
      await list(actor);
      for (const wanted of array(context['toolCalls'])) await actor.ask('tools/call', wanted);
    },
  },
  'http-invalid-tool-headers': {
    act: async (actor) => {
      for (const name of await namesOf(actor, 'tools', 'name')) await call(actor, name, { region: 'here' });
    },
  },
  'json-schema-2020-12-preservation': {
    act: async (actor) => {
      const { tools } = await actor.ask('tools/list');
      const tool = array(tools).find(({ name }) => name === 'json_schema_2020_12_tool');
      return call(actor, 'json_schema_echo', { schema: json(tool)['inputSchema'] });
    },
  },
  'auth/scope-retry-limit': refused,
  'auth/resource-mismatch': refused,
  'auth/iss-supported-missing': refused,
  'auth/iss-wrong-issuer': refused,
  'auth/iss-unexpected': refused,
  'auth/iss-normalized': refused,
  'auth/metadata-issuer-mismatch': refused,
};

/** All other scenarios are about authorization. */
export function partIn(scenario: string): Part {
  return PARTS[scenario] ?? authorized;
}

function call(actor: Server, name: string, args: Json = {}): Promise<Json> {
  return actor.ask('tools/call', { name, arguments: args });
}

async function namesOf(actor: Server, kind: string, key: string): Promise<string[]> {
  const listed = await actor.ask(`${kind}/list`);
  return array(at(listed, kind)).map((entry) => String(entry[key]));
}

function array(value: unknown): Json[] {
  return Array.isArray(value) ? value.map(json) : [];
}
