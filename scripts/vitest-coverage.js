// @ts-check
/**
 * Vitest's set-up file while coverage is measured: writes what a file of tests executed into NODE_V8_COVERAGE, and chooses
 * the tests whose processes do the same.
 *
 * Vitest ends its workers by a signal, so Node does not; and it runs modules as transformed text inside a function, so
 * positions have to be brought back, and the source map to be found, before c8 can read them.
 */
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, expect } from 'vitest';

/** Their many processes execute what the other tests do too, and writing it down would take a third of their time. */
const UNMEASURED = ['abuse', 'chaos', 'conformance', 'matrix', 'repo'];

const folder = process.env['NODE_V8_COVERAGE'];
const sources = fileURLToPath(new URL('../src/', import.meta.url));
const tests = fileURLToPath(new URL('../test/', import.meta.url));

// Each of these files has a worker to itself, whose processes inherit what is left here.
if (isUnmeasured(expect.getState().testPath ?? '')) delete process.env['NODE_V8_COVERAGE'];
else if (folder !== undefined) {
  const { session, maps } = await started();
  afterAll(async () => {
    const { result } = await session.post('Profiler.takePreciseCoverage');
    const read = await Promise.all(
      result.filter(({ scriptId }) => maps.has(scriptId)).map((script) => describe(session, maps, script)),
    );
    const file = join(folder, `coverage-vitest-${randomUUID()}.json`);
    writeFileSync(
      file,
      JSON.stringify({
        result: read.map(({ script }) => script),
        'source-map-cache': Object.fromEntries(read.map(({ script, map }) => [script.url, map])),
      }),
    );
  });
}

/**
 * @typedef {object} Measuring
 * @property {Session} session
 * @property {Map<string, string>} maps script id → source map
 */

/** Once for all files of a worker: when measuring ends, V8 forgets what it needs to measure functions it has compiled. */
function started() {
  const worker = /** @type {typeof globalThis & { measuring?: Promise<Measuring> }} */ (globalThis);
  worker.measuring ??= start();
  return worker.measuring;
}

/** @returns {Promise<Measuring>} */
async function start() {
  const session = new Session();
  session.connect();
  /** @type {Measuring['maps']} */
  const maps = new Map();
  session.on('Debugger.scriptParsed', ({ params: { scriptId, url, sourceMapURL } }) => {
    if (isOurs(url) && sourceMapURL?.startsWith('data:')) maps.set(scriptId, sourceMapURL);
  });
  await session.post('Debugger.enable');
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  return { session, maps };
}

/**
 * @param {Session} session @param {Measuring['maps']} maps
 * @param {import('node:inspector').Profiler.ScriptCoverage} script
 */
async function describe(session, maps, { scriptId, url, functions }) {
  const { scriptSource } = await session.post('Debugger.getScriptSource', { scriptId });
  // The module's text begins after `async (…) => {{`.
  const prefix = scriptSource.indexOf('=>{{') + '=>{{'.length;
  const code = scriptSource.slice(prefix);
  const shift = (/** @type {number} */ offset) => Math.min(Math.max(offset - prefix, 0), code.length);
  const shifted = functions.map((one) => ({
    ...one,
    ranges: one.ranges.map((range) => ({
      ...range,
      startOffset: shift(range.startOffset),
      endOffset: shift(range.endOffset),
    })),
  }));
  const data = JSON.parse(Buffer.from((maps.get(scriptId) ?? '').split(',')[1] ?? '', 'base64').toString());
  const lineLengths = code.split('\n').map(({ length }) => length);
  return {
    script: { scriptId, url: isPath(url) ? pathToFileURL(url).href : url, functions: shifted },
    map: { lineLengths, data, url: null },
  };
}

/** @param {string} file */
function isUnmeasured(file) {
  const [top = ''] = relative(tests, file).split(sep);
  return UNMEASURED.includes(top);
}

/** @param {string} url */
function isOurs(url) {
  return url.startsWith(sources) || url.startsWith(pathToFileURL(sources).href);
}

/** @param {string} url */
function isPath(url) {
  return !url.startsWith('file:');
}
