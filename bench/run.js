// Calls per second and gateway CPU per call, mcp-run against the minimal forwarder, in turn, in one run. Targets are for
// a server process of one's own; how a shared one compares is reported. Options: `--modern` for the rows of revision
// 2026-07-28 alone, and `--rounds=N`.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { measure, median, ratiosOf } from './measure.js';
import { measureModern, MODERN_TARGETS } from './modern.js';

const [, rounds = '5'] = /--rounds=(\d+)/.exec(process.argv.join(' ')) ?? [];
const ROUNDS = Number(rounds);
const isModernOnly = process.argv.includes('--modern');
const SIZES = [
  { bytes: 100, calls: 8_000 },
  { bytes: 10_000, calls: 4_000 },
];
const CONCURRENCY = 8;
const SHARING = ['shared', 'stateless'];
/** What has to hold at 100 B, and for the start. */
const TARGETS = { calls: 0.75, cpu: 1.4, version: 1.4, translated: 1.5 };

console.log(`node ${process.version}, ${ROUNDS} rounds; medians`);
const verdicts = [];
if (!isModernOnly) {
  const results = [];
  for (const size of SIZES) results.push(await compare(size));
  reportSessions(results, compareVersion());
}
reportModern(await measureModern(ROUNDS));
judge();

async function compare({ bytes, calls }) {
  const load = { bytes, calls, concurrency: CONCURRENCY };
  const measured = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const ours = await measure('mcp-run', load);
    const theirs = await measure('forwarder', load);
    const sharing = {};
    for (const name of SHARING) sharing[name] = ratiosOf(await measure(name, load), theirs);
    measured.push({ ours, theirs, ...ratiosOf(ours, theirs), sharing, eras: await measureEras(load, ours) });
  }
  return { bytes, rounds: measured };
}

/** A modern client's call of a legacy server, against the same call of a modern one, and a legacy client's call of the same server. */
async function measureEras(load, legacy) {
  const translated = await measure('mcp-run', { ...load, isModern: true });
  const own = await measure('modern server', { ...load, isModern: true });
  return { translated: translated.cpuUs / own.cpuUs, asLegacy: translated.cpuUs / legacy.cpuUs };
}

function compareVersion() {
  const bin = fileURLToPath(new URL('../bin/mcp-run.js', import.meta.url));
  const ratios = Array.from({ length: 15 }, () => timeOf([bin, '--version']) / timeOf(['-e', '0']));
  return median(ratios);
}

function timeOf(args) {
  const startedAt = performance.now();
  spawnSync(process.execPath, args, { stdio: 'ignore' });
  return performance.now() - startedAt;
}

function reportSessions(results, version) {
  for (const { bytes, rounds: measured } of results) {
    const of = (pick) => median(measured.map(pick));
    printHead(`sessions, ${bytes} B, concurrency ${CONCURRENCY}`);
    printRow(
      'calls',
      '/s',
      of(({ ours }) => ours.callsPerSecond),
      of(({ theirs }) => theirs.callsPerSecond),
      of(({ calls }) => calls),
    );
    printRow(
      'CPU per call',
      'µs',
      of(({ ours }) => ours.cpuUs),
      of(({ theirs }) => theirs.cpuUs),
      of(({ cpu }) => cpu),
    );
    for (const name of SHARING) {
      const [calls, cpu] = ['calls', 'cpu'].map((figure) => of(({ sharing }) => sharing[name][figure]));
      console.log(`  ${name.padEnd(42)} ratios: calls ${calls.toFixed(2)}, CPU ${cpu.toFixed(2)}`);
    }
    const [translated, asLegacy] = ['translated', 'asLegacy'].map((figure) => of(({ eras }) => eras[figure]));
    console.log(
      `  modern client, legacy server               CPU against a modern server ${translated.toFixed(2)}, a legacy client ${asLegacy.toFixed(2)}`,
    );
  }
  console.log(`\n--version against node -e 0: ratio ${version.toFixed(2)}`);
  const [{ rounds: small }] = results;
  const of = (pick) => median(small.map(pick));
  verdicts.push(
    ['calls at 100 B', of(({ calls }) => calls), '>=', TARGETS.calls],
    ['CPU at 100 B', of(({ cpu }) => cpu), '<=', TARGETS.cpu],
    ['CPU at 100 B across eras', of(({ eras }) => eras.translated), '<=', TARGETS.translated],
    ['--version', version, '<=', TARGETS.version],
  );
}

function reportModern(rows) {
  for (const { load, ours, theirs, calls, cpu } of rows) {
    printHead(`2026-07-28, ${load.bytes} B, concurrency ${load.concurrency}`);
    printRow('calls', '/s', ours.callsPerSecond, theirs.callsPerSecond, calls);
    printRow('CPU per call', 'µs', ours.cpuUs, theirs.cpuUs, cpu);
  }
  const [{ load, calls, cpu }] = rows;
  verdicts.push(
    [`calls of 2026-07-28 at ${load.bytes} B`, calls, '>=', MODERN_TARGETS.calls],
    [`CPU of 2026-07-28 at ${load.bytes} B`, cpu, '<=', MODERN_TARGETS.cpu],
  );
}

function printHead(title) {
  console.log(`\n${title.padEnd(42)} mcp-run  forwarder`);
}

function printRow(label, unit, ours, theirs, ratio) {
  const figures = `${ours.toFixed(0).padStart(10)} ${theirs.toFixed(0).padStart(10)} ${unit.padEnd(5)}`;
  console.log(`  ${label.padEnd(37)}${figures} ratio ${ratio.toFixed(2)}`);
}

function judge() {
  console.log('');
  for (const [label, value, sign, target] of verdicts) {
    const isMet = sign === '>=' ? value >= target : value <= target;
    console.log(`${isMet ? 'met   ' : 'MISSED'} ${label}: ${value.toFixed(2)} (target ${sign} ${target})`);
    if (!isMet) process.exitCode = 1;
  }
}
