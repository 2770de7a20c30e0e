// A remote server behind stdio: time to the answer to `initialize`, and calls per second, mcp-run against the minimal
// forwarder, in turn, in one run.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { cpuMsOf } from './gateway.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const ROUNDS = 5;
const STARTS = 15;
const CALLS = 8_000;
const CONCURRENCY = 8;
const BYTES = 100;
const TARGETS = { start: 1.5, calls: 0.7 };

const server = spawn(process.execPath, [here('http-echo-server.js')], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const [port] = await once(createInterface({ input: server.stdout }), 'line');
const url = `http://127.0.0.1:${port}/mcp`;
const BRIDGES = {
  'mcp-run': [here('../bin/mcp-run.js'), 'serve', '--stdio', '--quiet', url],
  forwarder: [here('remote-forwarder.js'), url],
};

try {
  report(await measureStarts(), await measureCalls());
} finally {
  server.kill();
}

async function measureStarts() {
  const rounds = [];
  for (let round = 0; round < STARTS; round += 1) {
    const [ours, theirs] = [await timeToAnswer('mcp-run'), await timeToAnswer('forwarder')];
    rounds.push({ ours, theirs, ratio: ours / theirs });
  }
  return rounds;
}

async function timeToAnswer(name) {
  const startedAt = performance.now();
  const bridge = await open(name);
  const ms = performance.now() - startedAt;
  await bridge.close();
  return ms;
}

async function measureCalls() {
  const rounds = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const [ours, theirs] = [await load('mcp-run'), await load('forwarder')];
    const calls = ours.callsPerSecond / theirs.callsPerSecond;
    rounds.push({ ours, theirs, calls, cpu: ours.cpuUs / theirs.cpuUs });
  }
  return rounds;
}

async function load(name) {
  const bridge = await open(name);
  await bridge.run(CALLS / 4);
  const cpuBefore = bridge.cpuMs();
  const startedAt = performance.now();
  await bridge.run(CALLS);
  const wallMs = performance.now() - startedAt;
  const cpuUs = ((bridge.cpuMs() - cpuBefore) / CALLS) * 1000;
  await bridge.close();
  return { callsPerSecond: (CALLS / wallMs) * 1000, cpuUs };
}

/** Starts a bridge, and has its server answer `initialize`. */
async function open(name) {
  const child = spawn(process.execPath, BRIDGES[name], { stdio: ['pipe', 'pipe', 'inherit'] });
  let answered = () => {};
  createInterface({ input: child.stdout }).on('line', () => answered());
  let id = 0;
  const send = (message) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  const params = {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'bench', version: '1' },
  };
  await new Promise((resolve) => {
    answered = resolve;
    send({ id, method: 'initialize', params });
  });
  send({ method: 'notifications/initialized' });

  return {
    cpuMs: () => cpuMsOf(child.pid),
    run: (calls) =>
      new Promise((resolve) => {
        let sent = 0;
        let done = 0;
        answered = () => {
          done += 1;
          if (done === calls) resolve();
          else if (sent < calls) call();
        };
        const call = () => {
          sent += 1;
          id += 1;
          send({
            id,
            method: 'tools/call',
            params: { name: 'echo', arguments: { text: 'x'.repeat(BYTES) } },
          });
        };
        for (let i = 0; i < CONCURRENCY; i += 1) call();
      }),
    async close() {
      child.stdin.end();
      child.kill('SIGTERM');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

function report(starts, rounds) {
  const of = (list, pick) => median(list.map(pick));
  console.log(
    `node ${process.version}, a remote server behind stdio; medians              mcp-run  forwarder`,
  );
  const row = (label, unit, list, pick, ratio) => {
    const [ours, theirs] = [
      of(list, ({ ours: side }) => pick(side)),
      of(list, ({ theirs: side }) => pick(side)),
    ];
    console.log(
      `  ${label.padEnd(54)} ${ours.toFixed(0).padStart(7)} ${theirs.toFixed(0).padStart(10)} ${unit.padEnd(3)} ratio ${ratio.toFixed(2)}`,
    );
  };
  const start = of(starts, ({ ratio }) => ratio);
  const calls = of(rounds, (round) => round.calls);
  row(`start to the answer to initialize, ${STARTS} rounds`, 'ms', starts, (ms) => ms, start);
  row(
    `calls, ${BYTES} B, concurrency ${CONCURRENCY}, ${ROUNDS} rounds`,
    '/s',
    rounds,
    (side) => side.callsPerSecond,
    calls,
  );
  row(
    'CPU per call',
    'µs',
    rounds,
    (side) => side.cpuUs,
    of(rounds, (round) => round.cpu),
  );
  for (const [label, value, isMet, target] of [
    ['start of a remote server behind stdio', start, start <= TARGETS.start, `<= ${TARGETS.start}`],
    ['calls of a remote server behind stdio', calls, calls >= TARGETS.calls, `>= ${TARGETS.calls}`],
  ]) {
    console.log(`${isMet ? 'met   ' : 'MISSED'} ${label}: ${value.toFixed(2)} (target ${target})`);
    if (!isMet) process.exitCode = 1;
  }
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
