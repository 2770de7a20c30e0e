// @ts-check
/** `npm run demo [-- options of serve]`: from a fresh clone to a server that answers. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureReady } from './ensure-ready.js';
import { CommandFailed, root } from './run.js';

if (await isReady()) await serve();

async function isReady() {
  try {
    await ensureReady();
    return true;
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    process.stderr.write(`${error.output}\n${error.message}\n`);
    process.exitCode = 1;
    return false;
  }
}

/** In this very process, as if it had been started in our place: signals, terminal and exit code are its own. */
async function serve() {
  const bin = join(root, 'bin', 'mcp-run.js');
  process.argv.splice(1, Infinity, bin, 'serve', '--demo', ...process.argv.slice(2));
  await import(pathToFileURL(bin).href);
}
