import { dirname, resolve } from 'node:path';
import { RunError } from '../../errors.ts';
import { isEnabled } from './enabled.ts';
import { variableLookup } from './environment.ts';
import { hasServerKey, missingServers, type Declarations } from '../read/formats.ts';
import { createInputs, type Ask, type Inputs } from './inputs.ts';
import { collisionOf, mergeSettings, loadAccessTokens, type SettingsLayer } from './layers.ts';
import { formatDiagnostic, manifestError, type ManifestDiagnostic } from '../read/diagnostics.ts';
import type { DeclaredServer } from '../read/read-servers.ts';
import { checkDeclared, errorOf, toRejected, type Rejection } from './rejections.ts';
import { patienceFor, type RemoteOptions } from './remote-target.ts';
import { expand, resolveEntry, type EntryContext, type ResolvedEntry } from './resolve-entry.ts';
import type { ChildOptions } from './resolve-server.ts';
import { optionRegistry, optionsIn } from '../schema/schema-parts.ts';
import { serveSchema, type ServeBlock } from '../schema/serve-schema.ts';
import { faultOfName } from './server-name.ts';
import type { Manifest, ServerSpec, Settings } from '../settings.ts';
import type { Tokens } from './tokens.ts';
import { validate } from '../read/validate.ts';

export interface ResolveOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Only these servers; empty: all that are enabled. */
  readonly servers: readonly string[];
  /** Over the files' `serve` blocks. */
  readonly overrides: SettingsLayer;
  readonly child: ChildOptions;
  readonly remote: RemoteOptions;
  readonly ignoreTools: readonly string[];
  readonly ask: Ask | undefined;
  /** An error in any entry is an error, also in one that is not served. */
  readonly strict: boolean;
  /** Nothing will be served: let several servers meet stdio. */
  readonly inspectOnly: boolean;
}

/** Looking at a manifest needs no tokens. */
const NO_TOKENS: Tokens = { digests: [], warnings: [] };

/**
 * Understands one or several files together; a later one wins.
 * @throws RunError `MANIFEST_INVALID` with everything that is wrong, or what the choice of servers deserves.
 */
export async function resolveManifest(
  files: readonly Declarations[],
  options: ResolveOptions,
): Promise<Manifest> {
  const broken = files.flatMap((file) => file.problems);
  // A file that does not parse hides its servers: anything said about them now would mislead.
  if (files.some((file) => file.source.root === undefined)) throw manifestError(broken);

  const source = files.map((file) => file.source.label).join(', ');
  const declared = new Map(files.flatMap((file) => [...file.servers]));
  const inputs = inputsOf(files, options);
  const chosen = chooseServers(declared, options.servers, source, files, broken);

  let pass = await resolveAll(files, declared, chosen, { ...options, inputs });
  refuse(pass);
  // Only now: no password is asked for in vain.
  if (pass.open.size > 0) {
    await inputs.askFor(pass.open);
    pass = await resolveAll(files, declared, chosen, { ...options, inputs });
    refuse(pass);
  }

  const settings = mergeSettings([options.overrides, ...pass.layers.toReversed()]);
  refuseCollision(chosen, settings);
  const tokens = options.inspectOnly ? NO_TOKENS : await loadAccessTokens(settings, options.env);
  // The rejected ones count: which server is meant must not depend on the environment.
  if (!options.inspectOnly && settings.transports.includes('stdio') && chosen.size > 1) {
    const names = [...chosen.keys()];
    throw new RunError('SERVER_AMBIGUOUS', { source, count: names.length, available: names.join(', ') });
  }
  return {
    source,
    servers: options.inspectOnly ? pass.specs : pass.specs.map((spec) => withPatience(spec, settings)),
    rejected: pass.rejections.map(toRejected),
    settings,
    tokens: tokens.digests,
    warnings: [...new Set(pass.warnings.map(formatDiagnostic)), ...tokens.warnings],
  };

  function refuse({ problems, rejections }: Pass): void {
    const inInputs = files.flatMap((file) => file.inputProblems.map(({ diagnostic }) => diagnostic));
    const served = [...chosen.values()].filter(
      (each) => !rejections.some(({ declared: bad }) => bad === each),
    );
    // Without siblings there is nothing to serve in spite of an error.
    const isLone = declared.size === 1 && chosen.size === 1;
    const isFinal = options.strict || isLone || served.length === 0;
    const isRejected = rejections.length > 0 && (isFinal || options.servers.length > 0);
    const isInputFaulty = inInputs.length > 0 && (isLone || options.strict);
    if (broken.length > 0 || problems.length > 0 || isRejected || isInputFaulty)
      throw errorOf(rejections, [...broken, ...problems, ...inInputs]);
  }
}

/** The rejected ones count: another server must not answer under their URLs. */
function refuseCollision(chosen: ReadonlyMap<string, DeclaredServer>, settings: Settings): void {
  const names = [...chosen.keys()].filter((name) => faultOfName(name) === undefined);
  const collision = collisionOf(names, settings);
  const second = chosen.get(collision?.name ?? '');
  if (collision === undefined || second === undefined) return;
  throw manifestError([second.source.diagnostic(second.path, collision.detail, 'key')]);
}

/** Everything that the files say, as far as it is known. */
interface Pass {
  readonly specs: readonly ServerSpec[];
  readonly rejections: readonly Rejection[];
  readonly layers: readonly SettingsLayer[];
  /** Errors outside the entries. */
  readonly problems: readonly ManifestDiagnostic[];
  readonly warnings: readonly ManifestDiagnostic[];
  /** Ids of inputs that the user has to be asked for. */
  readonly open: ReadonlySet<string>;
}

async function resolveAll(
  files: readonly Declarations[],
  declared: ReadonlyMap<string, DeclaredServer>,
  chosen: ReadonlyMap<string, DeclaredServer>,
  context: EntryContext & ResolveOptions,
): Promise<Pass> {
  const specs: ServerSpec[] = [];
  const rejections: Rejection[] = [];
  const problems: ManifestDiagnostic[] = [];
  const open = new Set<string>();
  const warnings = files.flatMap((file) => [
    ...file.warnings,
    ...file.inputProblems.map(({ diagnostic }) => diagnostic),
  ]);
  for (const [name, server] of declared) {
    const entry = chosen.has(name) ? await resolveEntry(server, context) : checkUnused(server);
    if (entry.problems.length > 0 || entry.refusals.length > 0) {
      if (context.strict || chosen.has(name)) rejections.push(entry);
      continue;
    }
    warnings.push(...entry.warnings);
    entry.open.forEach((id) => open.add(id));
    if (entry.spec !== undefined) specs.push(entry.spec);
  }
  rejections.push(...duplicatesIn(files, declared, context));
  const layers = files.flatMap((file) => resolveServe(file, context, problems, open));
  return { specs, rejections, layers, problems, warnings, open };
}

/** What a server that is not served looks like: its variables need no value. */
function checkUnused(declared: DeclaredServer): ResolvedEntry {
  const warnings: ManifestDiagnostic[] = [];
  const problems = checkDeclared(declared, warnings);
  return { declared, spec: undefined, problems, refusals: [], warnings, open: new Set() };
}

/** Of a name that a file has in two blocks, the entry in the second one is rejected. */
function duplicatesIn(
  files: readonly Declarations[],
  declared: ReadonlyMap<string, DeclaredServer>,
  { servers, strict }: ResolveOptions,
): readonly Rejection[] {
  return files
    .flatMap((file) => file.duplicates)
    .filter(({ name, source, node }) => {
      if (declared.get(name)?.source.path !== source.path) return false;
      return strict || (servers.length > 0 ? servers.includes(name) : isEnabled(node));
    })
    .map((duplicate) => ({ declared: duplicate, problems: duplicate.faults, refusals: [] }));
}

function inputsOf(files: readonly Declarations[], { env, ask }: ResolveOptions): Inputs {
  const entries = new Map(files.flatMap((file) => [...file.inputs]));
  const faulty = new Map<string, string>();
  for (const file of files) {
    for (const id of file.inputs.keys()) faulty.delete(id);
    for (const { id, diagnostic } of file.inputProblems)
      if (id !== undefined) faulty.set(id, formatDiagnostic(diagnostic));
  }
  return createInputs(entries, faulty, variableLookup(env), ask);
}

function chooseServers(
  declared: ReadonlyMap<string, DeclaredServer>,
  wanted: readonly string[],
  source: string,
  files: readonly Declarations[],
  broken: readonly ManifestDiagnostic[],
): ReadonlyMap<string, DeclaredServer> {
  const available = [...declared.keys()].join(', ');
  for (const server of wanted) {
    if (!declared.has(server)) throw new RunError('SERVER_UNKNOWN', { server, source, available });
  }
  const chosen = new Map(
    [...declared].filter(([name, { node }]) => (wanted.length > 0 ? wanted.includes(name) : isEnabled(node))),
  );
  if (chosen.size > 0 || broken.length > 0) return chosen;
  const [only, ...others] = files;
  if (only !== undefined && others.length === 0 && !hasServerKey(only))
    throw manifestError([missingServers(only)]);
  throw new RunError('NO_SERVERS', { source });
}

function resolveServe(
  file: Declarations,
  context: EntryContext,
  problems: ManifestDiagnostic[],
  open: Set<string>,
): SettingsLayer[] {
  if (file.serve === undefined) return [];
  const block = validate(serveSchema, expand(file.serve, context, problems, open), problems);
  return block === undefined ? [] : [toLayer(block, dirname(file.source.path))];
}

/** Keys of the file become settings; paths of files are relative to it. */
function toLayer(block: ServeBlock, folder: string): SettingsLayer {
  const layer: SettingsLayer = {};
  for (const [name, { kind, value }] of optionsIn(serveSchema.shape, block, optionRegistry))
    Object.assign(layer, { [name]: kind === 'file' ? resolve(folder, String(value)) : value });
  return layer;
}

function withPatience(spec: ServerSpec, { transports }: Settings): ServerSpec {
  const { target } = spec;
  if (target.kind === 'stdio') return spec;
  return { ...spec, target: { ...target, patienceMs: patienceFor(transports) } };
}
