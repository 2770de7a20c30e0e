/** U+FEFF in UTF-8. */
const MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * The same without one byte order mark at the beginning: some programs write it in front of every text (RFC 8259,
 * section 8.1: parsers may ignore it).
 */
export function withoutBom(bytes: Buffer): Buffer {
  return bytes[0] === MARK[0] && bytes.subarray(0, MARK.length).equals(MARK)
    ? bytes.subarray(MARK.length)
    : bytes;
}
