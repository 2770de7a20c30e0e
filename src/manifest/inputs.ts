import type { InputEntry } from './schema.ts';
import { didYouMean } from './suggest.ts';
import type { Parsed } from './units.ts';

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
  /** The value of `${input:id}`. Before `askAll`, one that a person must give is its own reference. */
  lookup(id: string): Parsed<string>;
  /** Asks for every value that was looked up and not found; true if there was any. */
  askAll(): Promise<boolean>;
}

/** VS Code's `inputs`: a value comes from its variable, else from a person, else from its default. */
export function createInputs(
  declared: ReadonlyMap<string, InputEntry>,
  env: (name: string) => string | undefined,
  ask: Ask | undefined,
): Inputs {
  const wanted = new Map<string, Question>();
  const answers = new Map<string, string>();

  return {
    lookup(id) {
      const variable = inputVariable(id);
      const entry = declared.get(id);
      const given = answers.get(id) ?? env(variable);
      if (given !== undefined) return checkChoice(given, entry, variable);
      if (entry === undefined)
        return { fault: `there is no input "${id}"${didYouMean(id, declared.keys())}` };
      const askable = entry.type !== 'command';
      if (ask !== undefined && askable) {
        wanted.set(id, questionOf(entry));
        return { value: `\${input:${id}}` };
      }
      if (entry.default !== undefined) return { value: entry.default };
      const otherwise = askable ? ', or start mcp-run in a terminal to be asked' : '';
      return { fault: `the input "${id}" has no value; set ${variable}${otherwise}` };
    },

    async askAll() {
      if (ask === undefined || wanted.size === 0) return false;
      for (const [id, question] of wanted) {
        const answer = await ask(question);
        answers.set(id, answer === '' ? (question.default ?? '') : answer);
      }
      return true;
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
