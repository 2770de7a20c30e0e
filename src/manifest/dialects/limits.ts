import type { Node } from '../read/node.ts';
import type { EntryDraft, Item } from './draft.ts';

/** What a host restricts, and mcp-run does not: never dropped without a word. */

const SANDBOX = /^sandbox(ed|enabled|mode|policy|options|config|profile)?$/;

const RESTRICTIONS = new Set([
  'permissions',
  'permissionprofile',
  'networkaccess',
  'allowedpaths',
  'allowedhosts',
  'alloweddomains',
  'restrictions',
  'isolatenetwork',
  'toolconfiguration',
]);

const APPROVALS = new Set([
  'alwaysallow',
  'alwaysallowedtools',
  'autoapprove',
  'autoapproveall',
  'autoapprovedtools',
  'approval',
  'approvalmode',
  'approvalpolicy',
  'defaulttoolsapprovalmode',
  'requireapproval',
  'toolapproval',
  'trust',
  'trusted',
]);

/** Reads a key that limits a server or the use of its tools; false if it is none. */
export function readLimit(draft: EntryDraft, key: string, item: Item): boolean {
  const { value } = item;
  if (SANDBOX.test(key)) {
    draft.drop(item, isOff(value) ? undefined : 'not applied: mcp-run starts the server without a sandbox');
    return true;
  }
  if (RESTRICTIONS.has(key)) {
    draft.drop(
      item,
      isOff(value) ? undefined : 'not applied: mcp-run does not restrict what the server may do',
    );
    return true;
  }
  if (APPROVALS.has(key) || (key === 'tools' && isApprovalTable(value))) {
    const isEmpty = value.kind !== 'scalar' && isOff(value);
    draft.drop(
      item,
      isEmpty ? undefined : 'ignored: the client that is connected to mcp-run asks for approval',
    );
    return true;
  }
  return false;
}

/** Codex: the settings of single tools. */
function isApprovalTable(value: Node): boolean {
  return (
    value.kind === 'object' &&
    value.entries.every(
      ({ value: tool }) =>
        tool.kind === 'object' && tool.entries.every(({ key }) => /approval/.test(key) && key !== 'enabled'),
    )
  );
}

function isOff(value: Node): boolean {
  if (value.kind === 'scalar')
    return [null, false, '', 'none', 'off', 'disabled'].includes(asOff(value.value));
  return value.kind === 'array' ? value.items.length === 0 : value.entries.length === 0;
}

function asOff(value: string | number | boolean | null): string | boolean | null {
  return typeof value === 'number' ? value !== 0 : typeof value === 'string' ? value.toLowerCase() : value;
}
