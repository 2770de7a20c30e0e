import type { Writable } from 'node:stream';
import { printableStyled } from '../../observe/printable.ts';

/** Writes what has been laid out. Nothing but its lines and colours means anything to a terminal. */
export function writeText(stream: Writable, text: string): void {
  stream.write(printableStyled(text));
}
