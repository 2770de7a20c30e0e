import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';

/**
 * Ends the process groups of our children if we are killed ourselves and can no longer do it: a POSIX shell that reads
 * from us which groups there are, and acts when the pipe closes. It ignores the signals of the terminal, since it has
 * to outlive us.
 */
const SCRIPT = `
trap '' HUP INT TERM
groups=
while read -r change group; do
  case $change in
    +) groups="$groups $group" ;;
    -)
      left=
      for one in $groups; do [ "$one" = "$group" ] || left="$left $one"; done
      groups=$left
      ;;
  esac
done
[ -n "$groups" ] || exit 0
for one in $groups; do kill -s TERM -- "-$one"; done
sleep 1
for one in $groups; do kill -s KILL -- "-$one"; done
`;

export interface Watchdog {
  add(group: number): void;
  remove(group: number): void;
}

/** Starts the watchdog on the first child. Elsewhere than on POSIX systems, and without a shell, it does nothing. */
export function createWatchdog(): Watchdog {
  let pipe: NodeJS.WritableStream | undefined;

  return {
    add(group) {
      pipe ??= start();
      pipe?.write(`+ ${group}\n`);
    },
    remove: (group) => void pipe?.write(`- ${group}\n`),
  };
}

function start(): NodeJS.WritableStream | undefined {
  if (process.platform === 'win32') return undefined;
  const shell = spawn('/bin/sh', ['-c', SCRIPT], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    env: {},
  });
  shell.on('error', () => {});
  shell.stdin.on('error', () => {});
  // It must not keep us alive: our end is what it waits for.
  shell.unref();
  if (isSocket(shell.stdin)) shell.stdin.unref();
  return shell.stdin;
}

function isSocket(stream: object): stream is Socket {
  return 'unref' in stream;
}
