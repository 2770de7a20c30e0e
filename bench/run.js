// Messages per second and gateway CPU per message, mcp-run against the minimal forwarder, in turn, in one run. Options:
// `--modern` for the rows of revision 2026-07-28 alone, and `--rounds=N`.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { figureOf, measureRounds, median, ratioOf } from './measure.js';
import { MODERN_ROWS, ROWS, VERSION_TARGET } from './rows.js';

const [, rounds = '5'] = /--rounds=(\d+)/.exec(process.argv.join(' ')) ?? [];
const ROUNDS = Number(rounds);
const isModernOnly = process.argv.includes('--modern');

console.log(`node ${process.version}, ${ROUNDS} rounds; medians`);
const verdicts = [];
if (!isModernOnly) {
  for (const row of ROWS) report(row, await measureRounds(row, ROUNDS));
}
for (const row of MODERN_ROWS) report(row, await measureRounds(row, ROUNDS));
if (!isModernOnly) reportVersion();
judge();

function report(row, measured) {
  const [ours, theirs, ...others] = row.gateways;
  const unit = row.load.notifications === undefined ? 'call' : 'event';
  const title = titleOf(row);
  const calls = ratioOf(measured, [ours, theirs], 'perSecond');
  const cpu = ratioOf(measured, [ours, theirs], 'cpuUs');
  const figures = (figure) => [ours, theirs].map((name) => figureOf(measured, name, figure));
  console.log(`\n${title.padEnd(42)} mcp-run  forwarder`);
  printRow(`${unit}s`, '/s', figures('perSecond'), calls);
  printRow(`CPU per ${unit}`, 'µs', figures('cpuUs'), cpu);
  if (row.targets?.calls !== undefined) verdicts.push([`${title}: calls`, calls, '>=', row.targets.calls]);
  if (row.targets?.cpu !== undefined) verdicts.push([`${title}: CPU`, cpu, '<=', row.targets.cpu]);
  if (others.length > 0) reportOthers(row, measured, title);
}

/** How shared servers compare, and what a call costs that crosses eras. */
function reportOthers({ targets }, measured, title) {
  for (const name of ['shared', 'stateless']) {
    const [calls, cpu] = ['perSecond', 'cpuUs'].map((figure) =>
      ratioOf(measured, [name, 'forwarder'], figure),
    );
    console.log(`  ${name.padEnd(42)} ratios: calls ${calls.toFixed(2)}, CPU ${cpu.toFixed(2)}`);
  }
  const across = ratioOf(measured, ['translated', 'modern server'], 'cpuUs');
  const asLegacy = ratioOf(measured, ['translated', 'mcp-run'], 'cpuUs');
  console.log(
    `  modern client, legacy server               CPU against a modern server ${across.toFixed(2)}, a legacy client ${asLegacy.toFixed(2)}`,
  );
  if (targets?.translated !== undefined)
    verdicts.push([`${title}: CPU across eras`, across, '<=', targets.translated]);
}

function titleOf({ title, load: { bytes, notifications, concurrency } }) {
  const size = notifications === undefined ? `, ${bytes} B` : ` of ${notifications} × ${bytes} B`;
  return `${title}${size}, concurrency ${concurrency}`;
}

function printRow(label, unit, [ours, theirs], ratio) {
  const digits = ours < 10 ? 1 : 0;
  const figures = `${ours.toFixed(digits).padStart(10)} ${theirs.toFixed(digits).padStart(10)} ${unit.padEnd(5)}`;
  console.log(`  ${label.padEnd(37)}${figures} ratio ${ratio.toFixed(2)}`);
}

function reportVersion() {
  const bin = fileURLToPath(new URL('../bin/mcp-run.js', import.meta.url));
  const ratios = Array.from({ length: 15 }, () => timeOf([bin, '--version']) / timeOf(['-e', '0']));
  const version = median(ratios);
  console.log(`\n--version against node -e 0: ratio ${version.toFixed(2)}`);
  verdicts.push(['--version', version, '<=', VERSION_TARGET]);
}

function timeOf(args) {
  const startedAt = performance.now();
  spawnSync(process.execPath, args, { stdio: 'ignore' });
  return performance.now() - startedAt;
}

function judge() {
  console.log('');
  for (const [label, value, sign, target] of verdicts) {
    const isMet = sign === '>=' ? value >= target : value <= target;
    console.log(`${isMet ? 'met   ' : 'MISSED'} ${label}: ${value.toFixed(2)} (target ${sign} ${target})`);
    if (!isMet) process.exitCode = 1;
  }
}
