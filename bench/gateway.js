import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const ECHO = [process.execPath, here('echo-server.js')];

const serve = (...options) => [
  here('../bin/mcp-run.js'),
  'serve',
  '--http',
  '--port',
  '0',
  '--log-format',
  'json',
  ...options,
  '--',
  ...ECHO,
];

/**
 * Name → command line of what is measured; each announces itself on stderr with a `gateway.ready` line. `isModern`: its
 * clients are of revision 2026-07-28.
 */
const GATEWAYS = {
  'mcp-run': { args: serve() },
  shared: { args: serve('--isolation', 'shared') },
  stateless: { args: serve('--stateless') },
  translated: { args: serve(), isModern: true },
  'modern server': { args: [...serve(), '--modern'], isModern: true },
  forwarder: { args: [here('forwarder.js'), ...ECHO] },
  'modern forwarder': { args: [here('forwarder.js'), ...ECHO, '--modern'], isModern: true },
};

/** Starts one of them. @returns its endpoint, the era of its clients, its CPU time so far in ms, and how to stop it */
export async function startGateway(name) {
  const { args, isModern = false } = GATEWAYS[name];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const url = await new Promise((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      const ready = line.includes('gateway.ready') ? JSON.parse(line) : undefined;
      if (ready !== undefined) resolve(ready.url);
    });
    child.once('exit', (code) => reject(new Error(`${name} exited with ${code}`)));
  });
  return {
    url: `${url}/mcp`,
    isModern,
    cpuMs: () => cpuMsOf(child.pid),
    async stop() {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

/** User and system time of one process, without its children (proc(5), stat). */
export function cpuMsOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const MS_PER_TICK = 10;
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}
