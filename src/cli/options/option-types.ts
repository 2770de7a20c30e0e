import type { CommandName, OptionGroup } from '../../manifest/schema/options.ts';
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

/** The settings that can hold any value of a type. */
type SettingOf<T> = { [Key in keyof Settings]: T extends Settings[Key] ? Key : never }[keyof Settings];

/** The settings that hold one of a few words. */
export type ChoiceSetting = 'isolation' | 'era' | 'logLevel' | 'logFormat';

/** A row for a key of the `serve` block; its kind decides which settings it can name. */
export type SettingOption = Row &
  (
    | { readonly kind: 'boolean'; readonly setting: SettingOf<boolean> }
    | { readonly kind: 'string' | 'path' | 'url'; readonly setting: SettingOf<string> }
    | { readonly kind: 'integer' | 'duration' | 'size'; readonly setting: SettingOf<number> }
    | { readonly kind: 'list'; readonly setting: SettingOf<readonly string[]> }
    | {
        readonly kind: 'enum';
        readonly setting: ChoiceSetting;
        readonly choices: readonly string[];
      }
    | { readonly kind: 'switches'; readonly setting: 'transports'; readonly choices: readonly string[] }
  );

/** A row for what only the command line and the environment say. */
export type LaunchOption = Row & {
  /** Without it `serve` alone. */
  readonly commands?: readonly CommandName[];
} & (
    | { readonly kind: 'boolean' | 'string' | 'list' | 'duration' | 'integer' }
    | { readonly kind: 'enum'; readonly choices: readonly string[] }
  );
