/**
 * A file of the package.
 * @param path from its root
 */
export function packageFile(path: string): URL {
  // Bundled or not, this is two folders below the root.
  return new URL(`../../${path}`, import.meta.url);
}
