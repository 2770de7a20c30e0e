const BOM = [0xef, 0xbb, 0xbf] as const;

/**
 * Text without one leading byte order mark, which some editors and servers write in front of UTF-8. RFC 8259, section
 * 8.1 allows a parser of JSON to ignore it; anywhere else it is a character like any other.
 */
export function withoutBom(bytes: Buffer): Buffer;
export function withoutBom(bytes: Uint8Array): Uint8Array;
export function withoutBom(bytes: Uint8Array): Uint8Array {
  return BOM.every((byte, index) => bytes[index] === byte) ? bytes.subarray(BOM.length) : bytes;
}
