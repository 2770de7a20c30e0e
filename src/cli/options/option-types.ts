import type { CommandName, OptionGroup, OptionKind } from '../../manifest/schema/options.ts';
import type { Settings } from '../../manifest/settings.ts';

/** What every row of the generated tables says. */
interface Row {
  /** The manifest's name for it, which is also commander's. */
  readonly key: string;
  readonly flag: string | null;
  readonly env: string | null;
  readonly group: OptionGroup;
  readonly description: string;
  /** As people write it. */
  readonly default?: string;
  readonly min?: number;
  readonly max?: number;
}

/** A row for a key of the `serve` block. The schema checks that its kind and the setting have the same type. */
export interface SettingOption extends Row {
  readonly kind: OptionKind;
  readonly setting: keyof Settings;
  /** A variable that counts where `env` is absent. */
  readonly fallbackEnv?: string;
  readonly choices?: readonly string[];
  /** A former name: it is left out of the help, and counts where the current name is not given. */
  readonly isAlias?: boolean;
}

/** A row for what only the command line and the environment say. */
export type LaunchOption = Row & {
  /** Without it `serve` alone. */
  readonly commands?: readonly CommandName[];
} & (
    | { readonly kind: 'boolean' | 'string' | 'list' | 'duration' | 'integer' }
    | { readonly kind: 'enum'; readonly choices: readonly string[] }
  );
