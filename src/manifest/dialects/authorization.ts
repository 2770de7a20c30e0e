import { oauthSchema } from '../schema/remote-schema.ts';
import { child, stringOf, type Node } from '../read/node.ts';
import { isNull } from '../read/unset.ts';
import { fold, itemsOf, scalarAt, type EntryDraft, type Item } from './draft.ts';

/** How other clients say what a remote server is shown. */

const OWN = new Map(Object.keys(oauthSchema.shape).map((key) => [fold(key), key]));
const ALIASES = new Map([
  ['scopes', 'scope'],
  ['granttype', 'grant'],
  ['oauthresource', 'resource'],
  ['redirectport', 'callbackPort'],
]);

/** Reads a key about authorization; false if it is none. */
export function readAuthorization(draft: EntryDraft, key: string, item: Item): boolean {
  switch (key) {
    case 'oauth':
    case 'oauthconfig':
      readOAuth(draft, item);
      return true;
    case 'auth':
    case 'authentication':
      readAuth(draft, item);
      return true;
    case 'scopes':
    case 'oauthscopes':
      addTo(draft, 'scope', item);
      return true;
    case 'oauthresource':
      addTo(draft, 'resource', item);
      return true;
    case 'oauthclientid':
      addTo(draft, 'clientId', item);
      return true;
    case 'bearertokenenvvar':
      setBearer(draft, item, (name) => `\${${name}}`);
      return true;
    case 'bearertoken':
    case 'authtoken':
    case 'authorizationtoken':
      setBearer(draft, item, (token) => token);
      return true;
    case 'apikey':
      return readApiKey(draft, item);
    case 'headershelper':
      draft.drop(item, 'not run: write the header into "headers", or into a file that "headersFile" names');
      return true;
    case 'authprovidertype':
    case 'authprovider':
      draft.drop(item, 'not applied: mcp-run signs in with OAuth, or sends the header that "headers" holds');
      return true;
    default:
      return false;
  }
}

/** Headers whose values are names of variables. */
export function readHeaderVariables(draft: EntryDraft, item: Item): void {
  const members = itemsOf(item.value, item.from).map((member) => ({
    ...member,
    value: mapText(member.value, (name) => `\${${name}}`),
  }));
  draft.merge('headers', item, members);
}

function readOAuth(draft: EntryDraft, item: Item): void {
  if (item.value.kind !== 'object') {
    draft.set('oauth', item);
    return;
  }
  const enabled = child(item.value, 'enabled');
  if (enabled?.kind === 'scalar' && enabled.value === false) {
    draft.set('oauth', { ...item, value: scalarAt(enabled.offset, false) });
    return;
  }
  const members = itemsOf(item.value, item.from)
    .filter(({ key, value }) => key !== 'enabled' && (key === 'type' ? !isOAuth(value) : true))
    .map(toOwn);
  draft.merge('oauth', item, members);
}

function toOwn(member: Item): Item {
  const key = fold(member.key);
  const own = OWN.get(key) ?? ALIASES.get(key) ?? member.key;
  const value = own === 'grant' ? mapText(member.value, (text) => text.replaceAll('_', '-')) : member.value;
  return { ...member, key: own, value };
}

/** `auth` is OAuth, a token, or nothing at all, as its type or its keys tell. */
function readAuth(draft: EntryDraft, item: Item): void {
  const { value } = item;
  if (value.kind === 'scalar') {
    if (value.value === false || /^none$/i.test(stringOf(value) ?? ''))
      draft.set('oauth', { ...item, value: scalarAt(value.offset, false) });
    else if (!isOAuth(value) && value.value !== true) refuse(draft, item);
    return;
  }
  const token = child(value, 'token') ?? child(value, 'bearerToken');
  const type = child(value, 'type');
  const members = itemsOf(value, item.from);
  if (token !== undefined && (type === undefined || /bearer/i.test(stringOf(type) ?? '')))
    setBearer(draft, { ...item, value: token }, (text) => text);
  else if (members.some(({ key }) => OWN.has(fold(key))) || isOAuth(type ?? value)) readOAuth(draft, item);
  else if (members.length > 0) refuse(draft, item);
}

function refuse(draft: EntryDraft, item: Item): void {
  draft.drop(
    item,
    'not applied: only OAuth and bearer tokens are known here; write the header into "headers"',
  );
}

function isOAuth(value: Node): boolean {
  return /^oauth/i.test(stringOf(value) ?? '');
}

function addTo(draft: EntryDraft, key: string, item: Item): void {
  draft.merge('oauth', item, [{ ...item, key }]);
}

function setBearer(draft: EntryDraft, item: Item, toToken: (text: string) => string): void {
  const text = stringOf(item.value);
  if (text === undefined || text === '') {
    if (!isNull(item.value)) draft.fault(item, 'must be a string');
    return;
  }
  const value = scalarAt(item.value.offset, `Bearer ${toToken(text)}`);
  draft.merge('headers', item, [{ ...item, key: 'Authorization', value }]);
}

/** Continue sends it so; nothing says what other clients would do. */
function readApiKey(draft: EntryDraft, item: Item): boolean {
  if (draft.get('url') === undefined || stringOf(item.value) === undefined) return false;
  setBearer(draft, item, (text) => text);
  draft.warn(item, 'sent as "Authorization: Bearer …"; write another header into "headers"');
  return true;
}

function mapText(node: Node, map: (text: string) => string): Node {
  const text = stringOf(node);
  return text === undefined ? node : scalarAt(node.offset, map(text));
}
