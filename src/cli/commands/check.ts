import { toRunError } from '../../errors.ts';
import type { CheckResult, CheckWatcher } from '../../inspect/check-server.ts';
import type { Inventory } from '../../manifest/read/inventory.ts';
import type { Manifest } from '../../manifest/settings.ts';
import { checkDocument } from '../output/check-document.ts';
import { exitCodeOf, joinResults, type CheckedServer } from '../output/check-report.ts';
import { countLine, plainLines, tableLines } from '../output/check-screen.ts';
import { redact } from '../../observe/redact.ts';
import type { CommandCall } from '../command.ts';
import { endSoon } from '../exit.ts';
import { interruptible } from '../interruptible.ts';
import { readInspection } from '../manifest-source.ts';
import { readLaunch, readTimeout } from '../options/options.ts';
import { createPalette, printable } from '../output/palette.ts';
import { createProgress } from '../output/progress.ts';
import { reportError, writeDocument } from '../output/report.ts';
import { writeText } from '../output/write-text.ts';

/** Starts every server of a manifest, asks it what it is, and stops it; returns the exit code. */
export async function check(call: CommandCall): Promise<number> {
  const { context, reporting } = call;
  try {
    const timeoutMs = readTimeout(call.args.flags, context.env);
    const { manifest, inventory } = await readInspection(call.args, context);
    return await run(manifest, inventory, timeoutMs, call);
  } catch (error) {
    return await reportError(toRunError(error), context, reporting);
  }
}

async function run(
  manifest: Manifest,
  inventory: Inventory | undefined,
  timeoutMs: number,
  call: CommandCall,
): Promise<number> {
  const { checkServers: probeAll } = await import('../../inspect/check-server.ts');
  const { clock, env } = call.context;
  const wanted = readLaunch(call.args.flags, env).server;
  const show = createDisplay(manifest, inventory, wanted, call);
  const { result, exitCode } = await interruptible((signal) => {
    const { lineLimitBytes } = manifest.settings;
    const options = { version: call.version, timeoutMs, lineLimitBytes, signal, clock };
    return probeAll(manifest.servers, options, show.watcher).finally(show.stop);
  });
  const code = exitCode ?? report(result);
  endSoon(code, clock);
  return code;

  function report(results: readonly CheckResult[]): number {
    const servers = joinResults(results, inventory, wanted, manifest.rejected);
    show.finish(servers);
    return exitCodeOf(servers);
  }
}

interface Display {
  readonly watcher: CheckWatcher;
  /** Takes what moves off the screen. */
  stop(): void;
  finish(servers: readonly CheckedServer[]): void;
}

/** A document; else a table with spinners before it on a terminal; else a line each, as soon as it is known. */
function createDisplay(
  manifest: Manifest,
  inventory: Inventory | undefined,
  wanted: readonly string[],
  { context, reporting }: CommandCall,
): Display {
  const { stdout, stderr } = context;
  const { source } = manifest;
  const warnings = manifest.warnings.map(redact);
  const isTable = context.stdoutIsTerminal && !reporting.document;
  const out = createPalette(reporting.stdoutColour);
  const err = createPalette(reporting.colour);
  const print = (lines: readonly string[]): void => {
    for (const line of lines) writeText(stdout, `${line}\n`);
  };
  if (!reporting.document)
    for (const warning of warnings) writeText(stderr, `${err.yellow('warning:')} ${printable(warning)}\n`);
  const progress = context.stderrIsTerminal
    ? createProgress(manifest.servers.length, context, err)
    : undefined;
  const results: CheckResult[] = [];
  let printed = 0;

  return {
    watcher: {
      started: (server) => progress?.started(server),
      said: (server, line) => progress?.said(server, line),
      ended(result) {
        results.push(result);
        progress?.ended(result.server, result.error === undefined);
        if (!isTable && !reporting.document && progress === undefined) printKnown();
      },
    },
    stop: () => progress?.stop(),
    finish(servers) {
      if (reporting.document) writeDocument(checkDocument(source, warnings, servers), context);
      else if (isTable) print([...tableLines(servers, out), '', countLine(servers)]);
      else print(servers.slice(printed).flatMap((server) => plainLines(server, out)));
    },
  };

  /** In the order of the manifest, up to the first that is still running. */
  function printKnown(): void {
    const known = joinResults(results, inventory, wanted, manifest.rejected);
    const names = new Set(results.map(({ server }) => server));
    const running = new Set(manifest.servers.map(({ name }) => name).filter((name) => !names.has(name)));
    for (const server of known.slice(printed)) {
      if (running.has(server.name)) return;
      print(plainLines(server, out));
      printed += 1;
    }
  }
}
