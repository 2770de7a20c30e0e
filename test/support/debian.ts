/** Programs from Debian packages, which tests start on the loopback and end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import type { Stream } from 'node:stream';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { unpackDebian } from '../../scripts/debian.js';
import { at } from './json.ts';

/**
 * Starts nginx, which runs until the test is over.
 * @param server the inside of the `server` block, but for `listen`
 * @returns its origin, without a path
 */
export async function startNginx(server: string): Promise<string> {
  const { root, env } = await unpackDebian(['nginx']);
  const folder = await mkdtemp(join(tmpdir(), 'mcp-run-nginx-'));
  // nginx cannot choose a free port: it inherits a socket that listens already, as when one nginx replaces another.
  const socket = createServer().listen(0, '127.0.0.1');
  await once(socket, 'listening');
  const port = String(at(socket.address(), 'port'));
  const config = join(folder, 'nginx.conf');
  await writeFile(config, configuration(folder, `listen 127.0.0.1:${port}; ${server}`));
  const nginx = spawn(join(root, 'usr/sbin/nginx'), ['-p', folder, '-e', 'stderr', '-c', config], {
    env: { ...process.env, ...env, NGINX: '3;' },
    stdio: ['ignore', 'ignore', 'pipe', handleOf(socket)],
  });
  let log = '';
  nginx.stderr?.on('data', (text) => (log += String(text)));
  const exited = once(nginx, 'close');
  const end = (): void => void nginx.kill('SIGTERM');
  // It must not outlive a worker that the runner ends.
  process.once('exit', end);
  onTestFinished(async () => {
    const hasEnded = nginx.exitCode !== null || nginx.signalCode !== null;
    end();
    await exited;
    process.off('exit', end);
    await rm(folder, { recursive: true });
    if (hasEnded) throw new Error(`nginx had ended:\n${log}`);
  });
  await once(nginx, 'spawn');
  socket.close();
  return `http://127.0.0.1:${port}`;
}

/** Node hands on what a socket wraps, and offers no other way to name it. */
function handleOf(server: Server): Stream {
  return Reflect.get(server, '_handle');
}

function configuration(folder: string, server: string): string {
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  return `
    daemon off;
    user ${userInfo().username};
    worker_processes 1;
    pid ${folder}/pid;
    events {}
    http {
      access_log off;
      ${folders.join(' ')}
      server { ${server} }
    }
  `;
}
