/** mcp-run in front of a server that wants authorization, and the user whom it sends to a browser. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { Authorization } from '../../../src/upstream/authorization.ts';
import { OAuthAuthorization } from '../../../src/upstream/oauth/authorization.ts';
import type { OAuthSettings } from '../../../src/config/types.ts';
import { createRecordingLog, type RecordingLog } from '../../observe/recording-log.ts';
import { PATIENCE_MS } from '../../support/patience.ts';

export interface Setup {
  readonly authorization: Authorization;
  readonly log: RecordingLog;
  readonly storeDirectory: string;
  /** What the user saw, page by page. */
  readonly pages: readonly { readonly status: number; readonly text: string }[];
  /** A request to the server, authorized as far as that takes. @returns its status */
  request(): Promise<number>;
}

export interface SetupOptions {
  readonly oauth?: Partial<OAuthSettings>;
  /** What the user does with the URL; by default visits it. */
  readonly visit?: (url: string) => unknown;
  readonly interactive?: boolean;
}

const signal = new AbortController().signal;
const MAX_CHALLENGES = 3;

export async function createDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'mcp-run-oauth-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export async function setUp(url: string, options: SetupOptions = {}): Promise<Setup> {
  const { oauth, interactive = false } = options;
  const pages: { status: number; text: string }[] = [];
  const log = createRecordingLog();
  const visit = options.visit ?? (async (address: string) => void pages.push(await look(address)));
  const warn = log.warn.bind(log);
  log.warn = (fields, text) => {
    warn(fields, text);
    if (fields.event === 'oauth.authorize') visit(String(fields['url']));
  };
  const storeDirectory = oauth?.storeDirectory ?? (await createDirectory());
  const authorization = new OAuthAuthorization(
    {
      kind: 'remote',
      url,
      transport: 'auto',
      headers: {},
      tls: { caFile: undefined, certFile: undefined, keyFile: undefined },
      patienceMs: 0,
      oauth: { ...SETTINGS, ...oauth, storeDirectory },
    },
    { server: 'files', log, interactive, clock: systemClock },
  );
  onTestFinished(() => authorization.close());
  return { authorization, log, storeDirectory, pages, request };

  async function request(): Promise<number> {
    for (let count = 0; ; count += 1) {
      const sent = await authorization.header(() => signal);
      const { status, headers } = await fetch(url, {
        headers: sent === undefined ? {} : { authorization: sent },
      });
      if (![401, 403].includes(status) || count === MAX_CHALLENGES) return status;
      const wwwAuthenticate = headers.get('www-authenticate') ?? undefined;
      if (!(await authorization.challenged({ status, wwwAuthenticate, sent }, signal))) return status;
    }
  }
}

/** A port that nobody has, at the moment. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

export async function look(url: string): Promise<{ status: number; text: string }> {
  const response = await fetch(url);
  return { status: response.status, text: await response.text() };
}

export const SETTINGS: Omit<OAuthSettings, 'storeDirectory'> = {
  grant: 'authorization-code',
  clientId: undefined,
  clientSecret: undefined,
  privateKey: undefined,
  clientMetadataUrl: undefined,
  scope: undefined,
  resource: undefined,
  browser: false,
  callbackHost: '127.0.0.1',
  callbackPort: undefined,
  timeoutMs: PATIENCE_MS,
};
