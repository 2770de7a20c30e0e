import type { Log } from '../observe/log.ts';

/** What a stdio upstream runs. */
export interface StdioTarget {
  readonly kind: 'stdio';
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string | undefined;
  readonly env: Readonly<Record<string, string>>;
}

export type UpstreamTarget = StdioTarget;

export interface UpstreamOptions {
  readonly server: string;
  readonly lineLimitBytes: number;
  /** What becomes of lines on its stdout that are not MCP: `skip` counts them, `strict` ends it. */
  readonly stdout: 'strict' | 'skip';
  readonly log: Log;
}
