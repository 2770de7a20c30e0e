import type { Target, ToolPatterns } from '../config/types.ts';
import type { RunError } from '../errors.ts';
import type { OptionsOf } from './schema/schema-parts.ts';
import type { serveSchema } from './schema/serve-schema.ts';
import type { serverSchema } from './schema/server-schema.ts';

/** A manifest and the command line for the rest of the program: resolved, validated, in base units. */

/**
 * The `serve` block after defaults, environment variables and flags. Durations end in `Ms`, sizes in `Bytes`, and paths
 * of files are absolute.
 */
export interface Settings extends OptionsOf<(typeof serveSchema)['shape']> {}

/** What an entry says besides its target and its tools. Undefined: the setting of the same name counts. */
export interface ServerOptions extends OptionsOf<(typeof serverSchema)['shape']> {}

export interface ServerSpec extends ServerOptions {
  readonly name: string;
  readonly target: Target;
  /** Undefined: all of them. */
  readonly tools: ToolPatterns | undefined;
}

export interface RejectedServer {
  readonly name: string;
  readonly kind: Target['kind'];
  /** `MANIFEST_INVALID` or `PLAIN_HTTP_REFUSED`, with the places in the file. */
  readonly error: RunError;
}

export interface Manifest {
  /** For people: the file's path, `command line`, or `built-in demo`. */
  readonly source: string;
  readonly servers: readonly ServerSpec[];
  /** Entries that are not served because of an error in them. */
  readonly rejected?: readonly RejectedServer[];
  readonly settings: Settings;
  /** SHA-256 digests of the tokens that network clients authenticate with; empty: no token is required. */
  readonly tokens: readonly Uint8Array[];
  /** One line each, with file:line:column. */
  readonly warnings: readonly string[];
}
