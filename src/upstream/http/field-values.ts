/**
 * Response header fields whose lines form one list (RFC 9110, section 5.3; section 11.6.1 for the challenges). Every
 * other field has a single value.
 */
const LISTS: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'accept-ranges',
  'allow',
  'cache-control',
  'connection',
  'content-encoding',
  'content-language',
  'link',
  'proxy-authenticate',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'vary',
  'via',
  'www-authenticate',
]);

/**
 * The value of a header field that may have arrived on several lines, the same for every HTTP client: identical lines
 * count once, the lines of a list are joined, and a field with a single value has that of its first line.
 * @param name in lower case
 * @param lines as they arrived
 */
export function fieldValue(name: string, lines: string | readonly string[] | undefined): string | undefined {
  if (lines === undefined) return undefined;
  const values = [lines].flat().map(withoutOuterSpace);
  if (values.length > 1 && LISTS.has(name)) return [...new Set(values)].join(', ');
  // An empty line does not take precedence over a later one with a value.
  return values.find((value) => value !== '') ?? values[0];
}

/** White space around a value is no part of it (RFC 9110, section 5.5). */
function withoutOuterSpace(line: string): string {
  let start = 0;
  let end = line.length;
  while (start < end && isSpace(line[start])) start += 1;
  while (end > start && isSpace(line[end - 1])) end -= 1;
  return line.slice(start, end);
}

function isSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\t';
}
