import { isJson, jsonOf, without, type Json } from './json.ts';

/** Tasks differ between the eras: the capability of one era is never declared in the other. */
const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks';

/** Capability → its translation into the other era, undefined if it has none. Other capabilities pass unchanged. */
type Rules = Readonly<Record<string, (value: Json) => Json | undefined>>;

const dropped = (): undefined => undefined;
const SHARED: Rules = {
  tasks: dropped,
  extensions(extensions) {
    const rest = without(extensions, TASKS_EXTENSION);
    return Object.keys(rest).length === 0 && TASKS_EXTENSION in extensions ? undefined : rest;
  },
};
/** `listChanged`: no notification of revision 2026-07-28 says so. */
const CLIENT: Rules = { ...SHARED, roots: (roots) => without(roots, 'listChanged') };

/** @param withheld capabilities that a server does not get to see */
export function toLegacyClientCapabilities(capabilities: Json, withheld: ReadonlySet<string>): Json {
  return without(translate(capabilities, CLIENT), ...withheld);
}

export function toModernClientCapabilities(capabilities: Json): Json {
  return translate(capabilities, CLIENT);
}

export function toModernServerCapabilities(capabilities: Json): Json {
  return translate(capabilities, SHARED);
}

export function toLegacyServerCapabilities(capabilities: Json): Json {
  return translate(capabilities, SHARED);
}

/**
 * The capabilities that a client needs for this request, in the form of `requiredCapabilities` (2026-07-28,
 * schema: MissingRequiredClientCapabilityError); undefined if it has declared that, or nothing is needed.
 */
export function missingCapability(capabilities: Json, method: string, params: Json): Json | undefined {
  const required = requiredFor(method, params);
  return required === undefined || declares(capabilities, required) ? undefined : required;
}

function requiredFor(method: string, params: Json): Json | undefined {
  switch (method) {
    case 'roots/list':
      return { roots: {} };
    case 'sampling/createMessage':
      return { sampling: 'tools' in params || 'toolChoice' in params ? { tools: {} } : {} };
    case 'elicitation/create':
      return { elicitation: params['mode'] === 'url' ? { url: {} } : { form: {} } };
    default:
      return undefined;
  }
}

function declares(capabilities: Json, required: Json): boolean {
  return Object.entries(required).every(([name, modes]) => {
    const declared = capabilities[name];
    if (!isJson(declared)) return false;
    // Said without a mode, it is the form (2026-07-28, client/elicitation, capabilities).
    const meant =
      name === 'elicitation' && !('form' in declared || 'url' in declared) ? { form: {} } : declared;
    return Object.keys(jsonOf(modes)).every((mode) => isJson(Object(meant)[mode]));
  });
}

function translate(capabilities: Json, rules: Rules): Json {
  const entries = Object.entries(capabilities).map(([name, value]): [string, unknown] => {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    return [name, rule === undefined || !isJson(value) ? keepOf(name, value) : rule(value)];
  });
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

function keepOf(name: string, value: unknown): unknown {
  return name === 'tasks' ? undefined : value;
}
