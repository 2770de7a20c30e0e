import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { RunError } from '../../errors.ts';

export interface Bound {
  /** Where it listens, as a client on this machine would write it. */
  readonly url: string;
  /** Ends all connections and frees the port. */
  close(): Promise<void>;
}

/**
 * Listens on a host and a port; on `localhost` at each of its addresses, since a client may try any of them first.
 * @param createServer makes one server for each address.
 * @throws RunError `PORT_IN_USE`, `LISTEN_FAILED`
 */
export async function bind(createServer: () => Server, host: string, port: number): Promise<Bound> {
  const first = await listen(createServer(), host, port);
  const bound = first.address();
  const { port: boundPort, address } =
    typeof bound === 'object' && bound !== null ? bound : { port, address: host };
  const servers = [first];
  for (const other of host === 'localhost' ? await addressesOf(host) : []) {
    if (other === address) continue;
    // Not every machine that knows the address has it.
    const server = await listen(createServer(), other, boundPort).catch(() => undefined);
    if (server !== undefined) servers.push(server);
  }
  return {
    url: `http://${nameOf(host)}:${boundPort}`,
    close: async () => void (await Promise.all(servers.map(end))),
  };
}

async function listen(server: Server, host: string, port: number): Promise<Server> {
  try {
    server.listen({ host, port });
    await once(server, 'listening');
    return server;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EADDRINUSE') throw new RunError('PORT_IN_USE', { host, port }, { cause: error });
    const detail = error instanceof Error ? error.message : String(error);
    throw new RunError('LISTEN_FAILED', { host, port, detail }, { cause: error });
  }
}

async function addressesOf(host: string): Promise<string[]> {
  const found = await lookup(host, { all: true }).catch(() => []);
  return found.map(({ address }) => address);
}

async function end(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

function nameOf(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}
