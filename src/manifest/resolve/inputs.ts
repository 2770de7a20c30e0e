import type { InputEntry } from '../schema/schema.ts';
import { didYouMean } from '../read/suggest.ts';
import type { Parsed } from '../schema/units.ts';

/** A value that only a person can give. */
export interface Question {
  readonly id: string;
  readonly text: string;
  /** Do not show what is typed. */
  readonly password: boolean;
  readonly choices: readonly string[] | undefined;
  readonly default: string | undefined;
}

export type Ask = (question: Question) => Promise<string>;

export interface Inputs {
  /** The value of `${input:id}`. One that a person must give is its own reference until `askFor`, and its id is added to `open`. */
  lookup(id: string, open: Set<string>): Parsed<string>;
  /** Its value is not shown while it is typed. */
  isHidden(id: string): boolean;
  /** Asks for the values of these. */
  askFor(ids: Iterable<string>): Promise<void>;
}

/** VS Code's `inputs`: a value comes from its variable, else from a person, else from its default. */
export function createInputs(
  declared: ReadonlyMap<string, InputEntry>,
  /** The ids of items that cannot be used, and why. */
  faulty: ReadonlyMap<string, string>,
  env: (name: string) => string | undefined,
  ask: Ask | undefined,
): Inputs {
  const answers = new Map<string, string>();

  return {
    lookup(id, open) {
      const variable = inputVariable(id);
      const entry = declared.get(id);
      const given = answers.get(id) ?? env(variable);
      if (given !== undefined) return checkChoice(given, entry, variable);
      const fault = faulty.get(id);
      if (fault !== undefined) return { fault: `the input "${id}" cannot be used: ${fault}` };
      if (entry === undefined)
        return { fault: `there is no input "${id}"${didYouMean(id, declared.keys())}` };
      const askable = entry.type !== 'command';
      if (ask !== undefined && askable) {
        open.add(id);
        return { value: `\${input:${id}}` };
      }
      if (entry.default !== undefined) return { value: entry.default };
      const otherwise = askable ? ', or start mcp-run in a terminal to be asked' : '';
      return { fault: `the input "${id}" has no value; set ${variable}${otherwise}` };
    },

    isHidden: (id) => declared.get(id)?.password === true,

    async askFor(ids) {
      for (const id of ids) {
        const entry = declared.get(id);
        if (ask === undefined || entry === undefined) continue;
        const answer = await ask(questionOf(entry));
        answers.set(id, answer === '' ? (entry.default ?? '') : answer);
      }
    },
  };
}

/** `api-key` → `MCP_RUN_INPUT_API_KEY`. */
function inputVariable(id: string): string {
  return `MCP_RUN_INPUT_${id.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_')}`;
}

function questionOf(entry: InputEntry): Question {
  return {
    id: entry.id,
    text: entry.description ?? entry.id,
    password: entry.password ?? false,
    choices: choicesOf(entry),
    default: entry.default,
  };
}

function checkChoice(value: string, entry: InputEntry | undefined, variable: string): Parsed<string> {
  const choices = entry === undefined ? undefined : choicesOf(entry);
  if (choices === undefined || choices.includes(value)) return { value };
  return { fault: `${variable} is not one of the options: ${choices.join(', ')}` };
}

function choicesOf({ type, options }: InputEntry): readonly string[] | undefined {
  if (type !== 'pickString') return undefined;
  return options?.map((choice) => (typeof choice === 'string' ? choice : choice.value));
}
