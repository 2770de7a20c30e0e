import type { Binding, Holding } from '../../gateway/tokens.ts';
import { maskUrl } from '../../manifest/read/secrets.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** As `--json` shows it. */
export function describeHolding({ url, issuer, clientId, scope, expiresAt, isRenewable }: Holding): object {
  return {
    url: maskUrl(url),
    issuer,
    clientId: clientId ?? null,
    scope: scope ?? null,
    expiresAt: expiresAt === undefined ? null : new Date(expiresAt).toISOString(),
    renewable: isRenewable,
  };
}

/** As `--json` shows it. */
export function describeBinding({ url, clientId, issuer, since }: Binding): object {
  return { url: maskUrl(url), clientId, issuer, since: new Date(since).toISOString() };
}

/** For people. */
export function expiryText({ expiresAt, isRenewable }: Holding, now: number): string {
  const renewal = isRenewable ? ', then renewed' : '';
  if (expiresAt === undefined) return 'for as long as the server likes';
  if (expiresAt <= now) return isRenewable ? 'expired, renewed at the next use' : 'expired';
  return `for ${durationText(expiresAt - now)}${renewal}`;
}

function durationText(ms: number): string {
  if (ms < HOUR_MS) return `${Math.ceil(ms / MINUTE_MS)} min`;
  return ms < 2 * DAY_MS ? `${Math.round(ms / HOUR_MS)} h` : `${Math.round(ms / DAY_MS)} d`;
}
