import { spawn } from 'node:child_process';

/**
 * Signals a child and everything it started. On POSIX the child leads a process group of its own; on Windows
 * `taskkill /T` walks the tree, and every signal is a forced end.
 * @returns false when nothing of the group is left.
 */
export function signalTree(pid: number, signal: NodeJS.Signals): boolean {
  if (process.platform === 'win32') {
    spawn('taskkill', ['/pid', String(pid), '/T', '/F'], { stdio: 'ignore', windowsHide: true }).on(
      'error',
      () => {},
    );
    return true;
  }
  return sendToGroup(pid, signal);
}

/** Whether any process of the group led by `pid` is left. Always false on Windows, which has no such groups. */
export function isTreeAlive(pid: number): boolean {
  return process.platform === 'win32' ? false : sendToGroup(pid, 0);
}

function sendToGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    // ESRCH: no process is left. EPERM: what is left belongs to another user and is out of our hands.
    return false;
  }
}
