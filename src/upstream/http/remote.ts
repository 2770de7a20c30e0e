import { RunError } from '../../errors.ts';
import type { Link } from '../../protocol/link.ts';
import type { RemoteTarget, UpstreamOptions } from '../target.ts';

/** Speaks with a remote server. */
export function openRemoteUpstream({ url }: RemoteTarget, { server }: UpstreamOptions): Promise<Link> {
  return Promise.reject(new RunError('UPSTREAM_UNREACHABLE', { server, url, detail: 'not yet' }));
}
