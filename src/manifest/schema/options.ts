/** What an option is, for the command line, the environment and the docs: plain data, cheap to load. */

export type OptionKind =
  | 'boolean'
  | 'string'
  | 'path'
  | 'url'
  | 'integer'
  | 'duration'
  | 'size'
  | 'list'
  | 'enum'
  /** A set of choices, each with a flag of its own. */
  | 'switches';

export type OptionGroup =
  | 'What to serve'
  | 'The server process'
  | 'The remote server'
  | 'Listening'
  | 'Access'
  | 'Sharing'
  | 'Limits'
  | 'Log'
  | 'Output';

export type CommandName = 'serve' | 'check' | 'list' | 'init' | 'schema' | 'login' | 'logout' | 'tokens';

export interface OptionMeta {
  /** As commander takes it (`--port <number>`), or null when the command line has no such option. */
  readonly flag: string | null;
  /** The variable, or null when there is none. */
  readonly env: `MCP_RUN_${string}` | null;
  readonly group: OptionGroup;
  readonly kind: OptionKind;
  readonly description: string;
  /** As a person would write it in the manifest; absent: none. */
  readonly default?: string | number | boolean | readonly string[];
  readonly choices?: readonly string[];
  readonly min?: number;
  readonly max?: number;
  /** The commands that have it; without it `serve` alone. */
  readonly commands?: readonly CommandName[];
}
