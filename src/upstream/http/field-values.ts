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
  if (typeof lines !== 'object') return lines;
  const [first, ...others] = lines;
  if (others.length === 0 || first === undefined) return first;
  if (LISTS.has(name)) return [...new Set(lines)].join(', ');
  // A line without a value says nothing that a later one could contradict.
  return lines.find((line) => line.trim() !== '') ?? first;
}
