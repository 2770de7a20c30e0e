import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openBrowser } from '../../src/process/open-browser.ts';
import { createWorkspace } from '../manifest/workspace.ts';

const URL_TO_OPEN = new URL('https://example.com/a?b=$(touch x)&c=`d`%20"e"');

/** A browser that tells us how it was started. */
async function createBrowser() {
  const http = createServer();
  await once(http.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void http.close());
  const report = `http://127.0.0.1:${(http.address() as AddressInfo).port}/`;
  const started = new Promise<{ args: string[]; env: Record<string, string> }>((resolve) => {
    http.once('request', (request, response) => {
      let text = '';
      request.on('data', (chunk) => (text += String(chunk)));
      request.on('end', () => {
        response.end();
        resolve(JSON.parse(text));
      });
    });
  });
  const directory = await createWorkspace({
    browser: `#!${process.execPath}
      const body = JSON.stringify({ args: process.argv.slice(2), env: process.env });
      fetch(${JSON.stringify(report)}, { method: 'POST', body });
    `,
  });
  const path = join(directory, 'browser');
  await chmod(path, 0o700);
  return { path, directory, started };
}

describe('$BROWSER', () => {
  it.each([
    ['PATH', [URL_TO_OPEN.href]],
    ['PATH --new %s --end', ['--new', URL_TO_OPEN.href, '--end']],
    ['/nowhere/browser:DIRECTORY/text:PATH', [URL_TO_OPEN.href]],
  ])('%s is started with the URL as it is', async (template, args) => {
    const { path, directory, started } = await createBrowser();
    await writeFile(join(directory, 'text'), 'not a program');
    const BROWSER = template.replace('PATH', path).replace('DIRECTORY', directory);

    expect(await openBrowser(URL_TO_OPEN, { BROWSER, MCP_RUN_TOKEN: 'secret', LANG: 'C' })).toBe(true);
    const { args: given, env } = await started;
    expect(given).toEqual(args);
    expect(env).toMatchObject({ LANG: 'C' });
    expect(env).not.toHaveProperty('MCP_RUN_TOKEN');
  });

  it('that cannot be started is no browser', async () => {
    expect(await openBrowser(URL_TO_OPEN, { BROWSER: '/nowhere/browser' })).toBe(false);
  });

  it.runIf(process.platform === 'linux')('is needed where there is no display', async () => {
    expect(await openBrowser(URL_TO_OPEN, {})).toBe(false);
  });
});
