import { readFileSync } from 'node:fs';
import { packageFile } from '../files/package-file.ts';

/** The version of this package, as it introduces itself to servers. */
export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(packageFile('package.json'), 'utf8'));
  const isNamed = typeof manifest === 'object' && manifest !== null && 'version' in manifest;
  return isNamed ? String(manifest.version) : '0';
}
