// Calls per second and gateway CPU per call, mcp-run against the minimal forwarder, in turn, in one run. Targets are for
// a server process of one's own; how a shared one compares is reported.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { startGateway } from './gateway.js';
import { openSession, runLoad } from './load.js';

const ROUNDS = 5;
const SIZES = [
  { bytes: 100, calls: 8_000 },
  { bytes: 10_000, calls: 4_000 },
];
const CONCURRENCY = 8;
const SHARING = ['shared', 'stateless'];
/** What has to hold at 100 B, and for the start. */
const TARGETS = { calls: 0.75, cpu: 1.4, version: 1.4, translated: 1.5 };

const results = [];
for (const size of SIZES) results.push(await compare(size));
const version = compareVersion();
report();

async function compare({ bytes, calls }) {
  const rounds = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const ours = await measure('mcp-run', bytes, calls);
    const theirs = await measure('forwarder', bytes, calls);
    const sharing = {};
    for (const name of SHARING) sharing[name] = ratiosOf(await measure(name, bytes, calls), theirs);
    rounds.push({
      ours,
      theirs,
      ...ratiosOf(ours, theirs),
      sharing,
      eras: await measureEras(bytes, calls, ours),
    });
  }
  return { bytes, rounds };
}

function ratiosOf(ours, theirs) {
  return { calls: ours.callsPerSecond / theirs.callsPerSecond, cpu: ours.cpuUs / theirs.cpuUs };
}

/** A modern client's call of a legacy server, against the same call of a modern one, and a legacy client's call of the same server. */
async function measureEras(bytes, calls, legacy) {
  const translated = await measure('mcp-run', bytes, calls, true);
  const own = await measure('modern server', bytes, calls, true);
  return { translated: translated.cpuUs / own.cpuUs, asLegacy: translated.cpuUs / legacy.cpuUs };
}

async function measure(name, bytes, calls, isModern = false) {
  const gateway = await startGateway(name);
  try {
    const session = isModern ? undefined : await openSession(gateway.url);
    const load = { url: gateway.url, session, concurrency: CONCURRENCY, bytes, isModern };
    await runLoad({ ...load, calls: Math.ceil(calls / 4) });
    const cpuBefore = gateway.cpuMs();
    const wallMs = await runLoad({ ...load, calls });
    return { callsPerSecond: (calls / wallMs) * 1000, cpuUs: ((gateway.cpuMs() - cpuBefore) / calls) * 1000 };
  } finally {
    await gateway.stop();
  }
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

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function report() {
  const row = (label, unit, pick, ratio) => {
    const ours = median(rounds.map((round) => pick(round.ours)));
    const theirs = median(rounds.map((round) => pick(round.theirs)));
    console.log(
      `  ${label.padEnd(16)} ${ours.toFixed(0).padStart(8)} ${theirs.toFixed(0).padStart(10)} ${unit.padEnd(5)} ratio ${ratio.toFixed(2)}`,
    );
  };
  let rounds;
  console.log(`node ${process.version}, ${ROUNDS} rounds, concurrency ${CONCURRENCY}; medians\n`);
  for (const result of results) {
    ({ rounds } = result);
    console.log(`${result.bytes} B             mcp-run  forwarder`);
    row('calls', '/s', (side) => side.callsPerSecond, median(rounds.map((round) => round.calls)));
    row('CPU per call', 'µs', (side) => side.cpuUs, median(rounds.map((round) => round.cpu)));
    for (const name of SHARING) {
      const [calls, cpu] = ['calls', 'cpu'].map((what) =>
        median(rounds.map((round) => round.sharing[name][what])),
      );
      console.log(`  ${name.padEnd(42)} ratios: calls ${calls.toFixed(2)}, CPU ${cpu.toFixed(2)}`);
    }
    const [translated, asLegacy] = ['translated', 'asLegacy'].map((what) =>
      median(rounds.map((round) => round.eras[what])),
    );
    console.log(
      `  modern client, legacy server               CPU against a modern server ${translated.toFixed(2)}, a legacy client ${asLegacy.toFixed(2)}`,
    );
  }
  console.log(`\n--version against node -e 0: ratio ${version.toFixed(2)}`);

  const small = results[0].rounds;
  const verdicts = [
    ['calls at 100 B', median(small.map((round) => round.calls)), '>=', TARGETS.calls],
    ['CPU at 100 B', median(small.map((round) => round.cpu)), '<=', TARGETS.cpu],
    [
      'CPU at 100 B across eras',
      median(small.map((round) => round.eras.translated)),
      '<=',
      TARGETS.translated,
    ],
    ['--version', version, '<=', TARGETS.version],
  ];
  for (const [label, value, sign, target] of verdicts) {
    const isMet = sign === '>=' ? value >= target : value <= target;
    console.log(`${isMet ? 'met   ' : 'MISSED'} ${label}: ${value.toFixed(2)} (target ${sign} ${target})`);
    if (!isMet) process.exitCode = 1;
  }
}
