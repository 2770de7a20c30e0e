import type { Clock } from '../../clock.ts';
import { toRunError } from '../../errors.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import type { Endpoints } from '../../gateway/endpoints.ts';
import type { LogFormat } from '../../config/types.ts';
import type { Manifest, Settings } from '../../manifest/settings.ts';
import { secretsOf } from '../../observe/known-secrets.ts';
import type { Log, LogOptions } from '../../observe/log.ts';
import { createMask } from '../../observe/mask.ts';
import { maskLog } from '../../observe/masked-log.ts';
import { redact } from '../../observe/redact.ts';
import { describeConnection } from '../output/connection.ts';
import type { CliContext } from '../context.ts';
import { endSoon, watchCrashes, watchSignals } from '../exit.ts';
import { DEMO_SOURCE, readManifest, type ServeArguments } from '../manifest-source.ts';
import { describeError } from '../output/describe-error.ts';
import { reportError } from '../output/report.ts';
import type { Reporting } from '../output/reporting.ts';

/** Serves until a signal comes or the stdio conversation is over; returns the exit code. */
export async function serve(
  args: ServeArguments,
  context: CliContext,
  reporting: Reporting,
): Promise<number> {
  let format = reporting.format;
  try {
    const manifest = await readManifest(args, context);
    format = manifest.settings.logFormat ?? reporting.format;
    const log = await startLog(manifest, { format, colour: reporting.colour }, context.clock);
    const masked = maskLog(log, createMask(manifest.servers.flatMap(({ target }) => secretsOf(target))));
    for (const warning of manifest.warnings) masked.warn({ event: 'manifest.warning' }, warning);
    await reportRejected(manifest, format, masked, context, reporting);
    // The gateway masks by itself what it logs.
    return await run(manifest, { log, masked }, context, (listening) =>
      format === 'json'
        ? logReady(listening, manifest, masked)
        : showScreen(listening, manifest, context, reporting),
    );
  } catch (error) {
    return await reportError(toRunError(error), context, { ...reporting, format });
  }
}

async function startLog(
  { settings }: Manifest,
  form: Pick<LogOptions, 'format' | 'colour'>,
  clock: Clock,
): Promise<Log> {
  const { openLog } = await import('../../observe/log.ts');
  return await openLog({ level: levelOf(settings), ...form }, clock);
}

/** Entries that are left out must not go unnoticed: `quiet` does not silence it. */
async function reportRejected(
  { rejected = [] }: Manifest,
  format: LogFormat,
  log: Log,
  context: CliContext,
  { colour }: Reporting,
): Promise<void> {
  if (rejected.length === 0) return;
  if (format === 'human') {
    const { createUi } = await import('../output/ui.ts');
    createUi(context, colour).rejected(rejected, 'the others are served');
    return;
  }
  for (const { name, error } of rejected) {
    // The hint of an invalid manifest tells nothing about a single entry.
    const hint = error.code === 'MANIFEST_INVALID' ? '' : `. ${error.hint}`;
    const text = `rejected server "${name}"; the others are served: ${redact(error.message)}${hint}`;
    const { code, problems } = describeError(error);
    log.error({ event: 'manifest.entry-rejected', server: name, code, problems }, text);
  }
}

function levelOf({ quiet, logLevel }: Settings): Settings['logLevel'] {
  return quiet && logLevel === 'info' ? 'warn' : logLevel;
}

async function run(
  manifest: Manifest,
  { log, masked }: { readonly log: Log; readonly masked: Log },
  context: CliContext,
  onReady: (listening: Endpoints) => void | Promise<void>,
): Promise<number> {
  const { stdin, stdout, clock } = context;
  const { createGateway } = await import('../../gateway/gateway.ts');
  const gateway = createGateway({ manifest, log, stdin, stdout }, clock);
  // Before the start: a signal in the middle of it must close what is open by then.
  const signals = watchSignals(() => gateway.close());
  const crashes = watchCrashes(async (error) => {
    const { message } = toRunError(error);
    masked.error(
      { event: 'gateway.crashed', stack: error instanceof Error ? error.stack : undefined },
      message,
    );
    await gateway.close();
  });
  try {
    const code = await Promise.race([startAndWait(gateway, onReady), signals.stopped]);
    endSoon(code, clock);
    return code;
  } finally {
    await gateway.close();
    signals.release();
    crashes.release();
  }
}

async function startAndWait(
  gateway: Gateway,
  onReady: (listening: Endpoints) => void | Promise<void>,
): Promise<number> {
  await onReady(await gateway.start());
  return await gateway.finished;
}

function logReady(listening: Endpoints, manifest: Manifest, log: Log): void {
  const { url, transports, servers } = listening;
  const { names, snippet: connect, curl } = describeConnection(listening, manifest);
  log.info(
    { event: 'gateway.ready', url, transports, servers, source: manifest.source, connect, curl },
    `serving ${names.join(', ')}`,
  );
}

async function showScreen(
  listening: Endpoints,
  manifest: Manifest,
  context: CliContext,
  { colour }: Reporting,
): Promise<void> {
  if (manifest.settings.quiet) return;
  const { createUi } = await import('../output/ui.ts');
  createUi(context, colour).startScreen(describeConnection(listening, manifest), {
    withCurl: manifest.source === DEMO_SOURCE,
  });
}
