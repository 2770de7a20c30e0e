import { chmod, readdir, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseRun, prepareContainer } from '../../src/process/containers.ts';
import { createWorkspace } from '../manifest/workspace.ts';

/** `docker run …` → what is known about it. */
function parse(line: string): ReturnType<typeof parseRun> {
  const [command = '', ...args] = line.split(' ');
  return parseRun(command, args);
}

describe('a command that runs a container', () => {
  it.each([
    ['docker run -i --rm image', ['docker'], 1],
    ['podman run image', ['podman'], 1],
    ['nerdctl run image', ['nerdctl'], 1],
    ['/usr/local/bin/docker run image', ['/usr/local/bin/docker'], 1],
    ['docker container run image', ['docker'], 2],
    ['docker --context far run image', ['docker', '--context', 'far'], 3],
    ['docker --context=far run image', ['docker', '--context=far'], 2],
    ['docker -D -H tcp://h:2375 --tls run image', ['docker', '-D', '-H', 'tcp://h:2375', '--tls'], 5],
    ['podman --remote --url ssh://h container run image', ['podman', '--remote', '--url', 'ssh://h'], 5],
    ['nerdctl -n k8s.io run image', ['nerdctl', '-n', 'k8s.io'], 3],
  ])('%s', (line, engine, runsAt) => {
    expect(parse(line)).toEqual({
      engine,
      runsAt,
      cidFile: undefined,
      isDetached: false,
      isRemoved: line.includes('--rm'),
    });
  });

  it.each([
    'docker exec -i running server',
    'docker compose run server',
    'docker start -ai made',
    'docker',
    'docker --context',
    'sudo docker run image',
    'dockerd run image',
    'npx docker run image',
    'node run image',
  ])('is not %s', (line) => {
    expect(parse(line)).toBeUndefined();
  });

  it.each([
    'docker run image --cidfile x -d --rm',
    'docker run -i -e A=1 --name n image -d --rm',
    'docker run -it -p 1:1 -v/a:/b --env=A=1 image --detach --cidfile=x',
    'docker run --init -ie A -- image --rm',
    'podman run --env-host -i image -d',
  ])('has its own options before the image only: %s', (line) => {
    expect(parse(line)).toMatchObject({ cidFile: undefined, isDetached: false, isRemoved: false });
  });

  it.each(['docker run --rm -ti -e A -d image', 'docker run --rm --network host -id image sh'])(
    'may be detached: %s',
    (line) => {
      expect(parse(line)).toMatchObject({ isDetached: true, isRemoved: true });
    },
  );

  it.each([
    ['docker run --cidfile /tmp/id image', '/tmp/id'],
    ['docker run -i --cidfile=id image', 'id'],
  ])('may name a file itself: %s', (line, cidFile) => {
    expect(parse(line)).toMatchObject({ cidFile });
  });

  it.each(['-d', '-id', '-dit', '--detach', '--detach=true'])('may leave it behind: %s', (option) => {
    expect(parse(`docker run ${option} image`)).toMatchObject({ isDetached: true });
  });
});

describe('preparing a container', () => {
  it('leaves any other command as it is', async () => {
    expect(
      await prepareContainer({ command: 'npx', args: ['run'], cwd: undefined, env: {} }),
    ).toBeUndefined();
  });

  it('asks for its id in a folder of our own, which is removed in the end', async () => {
    const args = ['-D', 'run', '-i', 'image', '--flag'];
    const container = await prepareContainer({ command: 'docker', args, cwd: undefined, env: {} });
    const file = container?.cidFile ?? '';
    expect(container?.args).toEqual(['-D', 'run', '--cidfile', file, '-i', 'image', '--flag']);
    expect(dirname(dirname(file))).toBe(tmpdir());
    expect(await readdir(dirname(file))).toEqual([]);
    expect(await container?.end(false)).toBeUndefined();
    await expect(readdir(dirname(file))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('reads a file that the user names, and keeps it', async () => {
    const cwd = await createWorkspace({});
    const args = ['run', '--cidfile', 'id', 'image'];
    const launch = { command: '/nowhere/docker', args, cwd, env: {} };
    const container = await prepareContainer(launch);
    expect(container).toMatchObject({ args, cidFile: join(cwd, 'id') });
    await writeFile(join(cwd, 'id'), 'abc123');
    expect(await container?.end(false)).toMatchObject({ id: 'abc123', failure: expect.any(String) });
    expect(await readdir(cwd)).toContain('id');
    // The id in a file that exists before is that of another container.
    expect(await prepareContainer(launch)).toBeUndefined();
  });

  it('does not take a text for an id that an engine would take for an option', async () => {
    const container = await prepareContainer({
      command: 'docker',
      args: ['run', 'x'],
      cwd: undefined,
      env: {},
    });
    await writeFile(container?.cidFile ?? '', '--all');
    expect(await container?.end(false)).toBeUndefined();
  });

  it('leaves the command of a snap as it is, which sees another /tmp', async () => {
    const folder = await createWorkspace({ snap: '#!/bin/sh' });
    await chmod(join(folder, 'snap'), 0o700);
    await symlink('snap', join(folder, 'docker'));
    const launch = { command: 'docker', args: ['run', 'image'], cwd: undefined, env: { PATH: folder } };
    expect(await prepareContainer(launch)).toBeUndefined();
  });
});
