import { homedir } from 'node:os';
import { basename, dirname, resolve, sep } from 'node:path';
import { RunError } from '../errors.ts';
import { expandNode, type Variables } from './expand.ts';
import { folderOf } from './folder.ts';
import { hasServerKey, missingServers, type Declarations } from './formats.ts';
import { createInputs, type Ask, type Inputs } from './inputs.ts';
import { mergeSettings, secure, type SettingsLayer } from './layers.ts';
import { formatProblem, manifestError, type Problem } from './problems.ts';
import { readEntry } from './read-entry.ts';
import { patienceFor, type RemoteOptions } from './remote-target.ts';
import { resolveServer, type ChildOptions } from './resolve-server.ts';
import { serveSchema, type ServeBlock } from './schema.ts';
import type { Manifest, ServerSpec, Settings } from './settings.ts';
import type { Tokens } from './tokens.ts';
import { child, type Node } from './tree.ts';
import { validate, type Located } from './validate.ts';

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
  /** Nothing will be served: let several servers meet stdio. */
  readonly inspectOnly: boolean;
}

/** Looking at a manifest needs no tokens. */
const NO_TOKENS: Tokens = { digests: [], warnings: [] };

interface Run {
  readonly options: ResolveOptions;
  readonly inputs: Inputs;
  readonly problems: Problem[];
  readonly warnings: Problem[];
  readonly refusals: RunError[];
}

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
  const inputs = createInputs(
    new Map(files.flatMap((file) => [...file.inputs])),
    lookupIn(options.env),
    options.ask,
  );
  const chosen = chooseServers(declared, options.servers, source, files, broken);

  const first = startRun();
  let result = await resolveAll(files, declared, chosen, first);
  let run = first;
  if (first.problems.length > 0) throw manifestError(first.problems);
  // Only now: nobody wants to type a password into a manifest that is refused afterwards.
  if (await inputs.askAll()) {
    run = startRun();
    result = await resolveAll(files, declared, chosen, run);
    if (run.problems.length > 0) throw manifestError(run.problems);
  }
  const [refusal] = run.refusals;
  if (refusal !== undefined) throw refusal;

  const settings = mergeSettings([options.overrides, ...result.layers.toReversed()]);
  const tokens = options.inspectOnly ? NO_TOKENS : await secure(settings, options.env);
  if (!options.inspectOnly && settings.transports.includes('stdio') && result.specs.length > 1) {
    const names = [...chosen.keys()];
    throw new RunError('SERVER_AMBIGUOUS', { source, count: names.length, available: names.join(', ') });
  }
  return {
    source,
    servers: options.inspectOnly ? result.specs : result.specs.map((spec) => withPatience(spec, settings)),
    settings,
    tokens: tokens.digests,
    warnings: [...run.warnings.map(formatProblem), ...tokens.warnings],
  };

  function startRun(): Run {
    const warnings = files.flatMap((file) => file.warnings);
    return { options, inputs, problems: [...broken], warnings, refusals: [] };
  }
}

interface Resolved {
  readonly specs: readonly ServerSpec[];
  readonly layers: readonly SettingsLayer[];
}

async function resolveAll(
  files: readonly Declarations[],
  declared: ReadonlyMap<string, Located>,
  chosen: ReadonlyMap<string, Located>,
  run: Run,
): Promise<Resolved> {
  const specs: ServerSpec[] = [];
  for (const [name, located] of declared) {
    const served = chosen.has(name);
    const known = served ? expand(located, run) : located;
    const entry = readEntry(known, run.problems, run.warnings);
    if (entry === undefined || !served) continue;
    const spec = await resolveServer(name, entry, known, { ...run.options, ...run });
    if (spec !== undefined) specs.push(spec);
  }
  return { specs, layers: files.flatMap((file) => resolveServe(file, run)) };
}

function chooseServers(
  declared: ReadonlyMap<string, Located>,
  wanted: readonly string[],
  source: string,
  files: readonly Declarations[],
  broken: readonly Problem[],
): ReadonlyMap<string, Located> {
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

/** Whether an entry is to be served unless a server is named. */
export function isEnabled(node: Node): boolean {
  const disabled = child(node, 'disabled');
  const enabled = child(node, 'enabled');
  const off = disabled?.kind === 'scalar' && disabled.value === true;
  return !off && !(enabled?.kind === 'scalar' && enabled.value === false);
}

function expand(located: Located, { options, inputs, problems }: Run): Located {
  const folder = folderOf(located.source.path);
  const variables: Variables = {
    env: lookupIn(options.env),
    input: (id) => inputs.lookup(id),
    known: new Map([
      ['workspaceFolder', folder],
      ['workspaceFolderBasename', basename(folder)],
      ['userHome', homedir()],
      ['pathSeparator', sep],
      ['/', sep],
    ]),
  };
  const node = expandNode(located.node, located.path, variables, (path, detail) => {
    problems.push(located.source.problem(path, detail));
  });
  return { ...located, node };
}

function resolveServe(file: Declarations, run: Run): SettingsLayer[] {
  if (file.serve === undefined) return [];
  const block = validate(serveSchema, expand(file.serve, run), run.problems);
  return block === undefined ? [] : [toLayer(block, dirname(file.source.path))];
}

/** The file's keys carry no units; the settings do. */
function toLayer(block: ServeBlock, folder: string): SettingsLayer {
  const {
    initializeTimeout,
    requestTimeout,
    maxRequestTime,
    sessionIdle,
    childIdle,
    inputTtl,
    keepAlive,
    drainTimeout,
    receiveTimeout,
    ...others
  } = block;
  const { bodyLimit, headerLimit, lineLimit, resumeLimit, tokenFile, ...same } = others;
  return {
    ...same,
    tokenFile: tokenFile === undefined ? undefined : resolve(folder, tokenFile),
    initializeTimeoutMs: initializeTimeout,
    requestTimeoutMs: requestTimeout,
    maxRequestTimeMs: maxRequestTime,
    sessionIdleMs: sessionIdle,
    childIdleMs: childIdle,
    inputTtlMs: inputTtl,
    keepAliveMs: keepAlive,
    drainTimeoutMs: drainTimeout,
    receiveTimeoutMs: receiveTimeout,
    bodyLimitBytes: bodyLimit,
    headerLimitBytes: headerLimit,
    lineLimitBytes: lineLimit,
    resumeLimitBytes: resumeLimit,
  };
}

function withPatience(spec: ServerSpec, { transports }: Settings): ServerSpec {
  const { target } = spec;
  if (target.kind === 'stdio') return spec;
  return { ...spec, target: { ...target, patienceMs: patienceFor(transports) } };
}

function lookupIn(env: Readonly<Record<string, string | undefined>>): (name: string) => string | undefined {
  return (name) => (Object.hasOwn(env, name) ? env[name] : undefined);
}
