import { describe, expect, it } from 'vitest';
import {
  hintForExit,
  hintForMissing,
  hintForSilence,
  mayBeFetching,
} from '../../../src/upstream/supervision/hints.ts';

function launch(line: string) {
  const [command = '', ...args] = line.split(' ');
  return { command, args };
}

describe('the hint for a server that ended at once', () => {
  it.each([
    [
      "Error: Cannot find module '/srv/dist/index.js'\ncode: 'MODULE_NOT_FOUND'",
      'A file or module is missing',
    ],
    ["Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'zod' imported from", 'A file or module is missing'],
    ["ModuleNotFoundError: No module named 'mcp'", 'A Python module is missing'],
    ["python3: can't open file '/srv/x.py': [Errno 2] No such file or directory", 'A file is missing'],
    ["Error: EACCES: permission denied, open '/etc/shadow'", 'It was denied access'],
    ['npm error code E404\nnpm error 404 Not Found - GET', 'There is no such package'],
    ['npm ERR! code ENOTFOUND', 'npm could not reach its registry'],
    [
      'npm error npx canceled due to missing packages and no YES option: ["x@1"]',
      'add -y as its first argument',
    ],
    ['npm error could not determine executable to run', 'The package has no program'],
    ['npm warn EBADENGINE Unsupported engine {', 'another version of Node.js'],
    ['This tool requires Node.js >=24', 'another version of Node.js'],
    [
      'TypeError [ERR_UNKNOWN_FILE_EXTENSION]: Unknown file extension ".ts" for /x.ts',
      'does not run TypeScript',
    ],
    ['Error: listen EADDRINUSE: address already in use :::3000', 'A port it wants is in use'],
    ['the input device is not a TTY', 'take -t out of args'],
    [
      'sudo: no tty present and no askpass program specified\nError: API_KEY is not set',
      'environment variable',
    ],
    ['cannot attach stdin to a TTY-enabled container because stdin is not a terminal', 'take -t out of args'],
    [
      'Cannot connect to the Docker daemon at unix:///var/run/docker.sock.',
      'The container engine does not run',
    ],
    [
      'permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.24/info": dial unix /var/run/docker.sock: connect: permission denied',
      'The container engine does not run, or does not let this user in',
    ],
    ['docker: Error response from daemon: pull access denied for mcp/none', 'There is no such image'],
    ['Error: GITHUB_TOKEN environment variable is not set', 'It wants an environment variable'],
  ])('%s', (stderr, hint) => {
    expect(hintForExit(launch('node server.js'), 1, stderr)).toContain(hint);
  });

  it('knows the exit codes of shells', () => {
    expect(hintForExit(launch('sh run'), 127, 'x')).toContain('not found');
    expect(hintForExit(launch('sh run'), 126, 'x')).toContain('not executable');
  });

  it('says what ending without a word may mean', () => {
    expect(hintForExit(launch('npx some-server'), 0, '')).toContain('-y');
    expect(hintForExit(launch('npx -y some-server'), 0, '')).toContain('is this an MCP server');
    expect(hintForExit(launch('docker run --rm mcp/fetch'), 0, '')).toContain('without -i');
    for (const line of ['docker run -d x', 'podman run --detach x', 'nerdctl run -dit x'])
      expect(hintForExit(launch(line), 0, '')).toContain('take -d out');
    for (const line of ['docker run -i --rm mcp/fetch', 'docker run -ti x', 'docker mcp gateway run'])
      expect(hintForExit(launch(line), 0, '')).toContain('is this an MCP server');
  });

  it('is none when nothing is known', () => {
    expect(hintForExit(launch('node server.js'), 1, 'boom')).toBeUndefined();
  });
});

describe('the hint for a silent server', () => {
  it.each([
    ['npx some-server', 'add -y'],
    ['npx -y some-server', 'npx may be downloading'],
    ['npx --yes some-server -y', 'npx may be downloading'],
    ['npx some-server -y', 'add -y'],
    ['C:\\nodejs\\npx.cmd -y some-server', 'npx may be downloading'],
    ['uvx some-server', 'uvx may be downloading'],
    ['python3.12 server.py', 'PYTHONUNBUFFERED=1'],
    ['python3 -u server.py', 'is it an MCP server'],
    ['node server.js', 'is it an MCP server'],
  ])('%s', (line, hint) => {
    expect(hintForSilence(launch(line), {})).toContain(hint);
  });

  it('leaves Python alone that was told not to buffer', () => {
    expect(hintForSilence(launch('python server.py'), { PYTHONUNBUFFERED: '1' })).not.toContain(
      'PYTHONUNBUFFERED',
    );
  });
});

describe('a program that may download first', () => {
  it.each([
    'npx x',
    'uvx x',
    '/usr/bin/npx x',
    'uv run x',
    'uv tool run x',
    'pnpm dlx x',
    'npm exec x',
    'docker run x',
  ])('is %s', (line) => expect(mayBeFetching(launch(line))).toBe(true));

  it.each(['node x', 'npm start', 'uv pip', 'python x'])('is not %s', (line) =>
    expect(mayBeFetching(launch(line))).toBe(false),
  );
});

it('tells where missing programs come from', () => {
  expect(hintForMissing('/opt/bin/uvx')).toContain('astral.sh');
  expect(hintForMissing('npx')).toContain('nodejs.org');
  expect(hintForMissing('my-server')).toBeUndefined();
});
