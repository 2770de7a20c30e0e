import { frameOf, type Frame } from '../protocol/frame.ts';

/**
 * An `initialize` request without the client's `roots` capability. Some servers replace their own allow-list of
 * directories with the client's roots: passed on from a network client, they would hand it the host's disk.
 * @returns undefined when there is nothing to withhold.
 */
export function withoutRoots(initialize: Frame): Frame | undefined {
  const { message } = initialize;
  const capabilities = message.params?.['capabilities'];
  if (typeof capabilities !== 'object' || capabilities === null || !('roots' in capabilities))
    return undefined;
  const { roots: _withheld, ...rest } = capabilities;
  return frameOf({ ...message, params: { ...message.params, capabilities: rest } });
}
