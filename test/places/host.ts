/** Applications that mcp-run is a part of. */
import { join } from 'node:path';
import { fastify, type FastifyInstance, type FastifyServerOptions } from 'fastify';
import { onTestFinished } from 'vitest';
import mcpRun, { type McpRunOptions } from '../../src/places/fastify.ts';
import { createWorkspace } from '../manifest/workspace.ts';
import { json, type Json } from '../support/json.ts';
import { fixtureServer } from '../support/paths.ts';

type Entry = Readonly<Record<string, unknown>>;

/** The bundled server. */
export const DEMO: Entry = { command: 'mcp-run', args: ['serve', '--demo', '--stdio', '--quiet'] };
export const BEHAVIOURS = entryOf(fixtureServer('behaviours'));

export function entryOf([command = '', ...args]: readonly string[]): Entry {
  return { command, args };
}

/** The path of a manifest, which is there until the test is over. */
export async function writeManifest(
  mcpServers: Readonly<Record<string, Entry>>,
  serve: Json = {},
  more: Readonly<Record<string, string>> = {},
): Promise<string> {
  const folder = await createWorkspace({ 'mcp.json': JSON.stringify({ mcpServers, serve }), ...more });
  return join(folder, 'mcp.json');
}

/** An application, closed when the test is over. */
export function createApp(options: FastifyServerOptions = {}): FastifyInstance {
  // Time does not decide whether plugins have loaded, and a client's unused connection does not delay the end.
  const app = fastify({ pluginTimeout: 0, forceCloseConnections: true, ...options });
  onTestFinished(() => app.close());
  return app;
}

/** An application that is ready, with `behaviours` or other options. */
export async function createHost(
  options: Partial<McpRunOptions> = {},
  settings: FastifyServerOptions = {},
): Promise<FastifyInstance> {
  const app = createApp(settings);
  await register(app, options);
  await app.ready();
  return app;
}

/** Adds mcp-run to an application; hooks may still be added. */
export async function register(app: FastifyInstance, options: Partial<McpRunOptions> = {}): Promise<void> {
  const manifest = options.manifest ?? (await writeManifest({ behaviours: BEHAVIOURS }));
  void app.register(mcpRun, { ...options, manifest });
}

/** @returns the URL of the application */
export function listen(app: FastifyInstance): Promise<string> {
  return app.listen({ host: '127.0.0.1', port: 0 });
}

/** A destination of a logger, and what has been logged. */
export function createLines(): { readonly stream: { write(line: string): void }; readonly lines: Json[] } {
  const lines: Json[] = [];
  return { lines, stream: { write: (line) => void lines.push(json(JSON.parse(line))) } };
}

/** A point that one part of a test waits at until another part has come to it. */
export function createGate(): { readonly open: () => void; readonly passed: Promise<void> } {
  let open = (): void => {};
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { open, passed };
}
