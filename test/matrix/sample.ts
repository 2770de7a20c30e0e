/**
 * A fixed pairwise sample of the table: each pair of server, transport, client and act that the table has. An act is what a
 * row asserts in a cell, which differs between cells where a row has `instead`.
 */
export interface Factors {
  readonly act: string;
  readonly place: string;
  readonly transport: string;
  readonly client: string;
}

/** @returns a subset of `cells`, the same for the same cells, that has each pair of factors that `cells` have */
export function pairwise<Cell extends Factors>(cells: readonly Cell[]): ReadonlySet<Cell> {
  const uncovered = new Set(cells.flatMap(pairsOf));
  const sample = new Set<Cell>();
  let candidates = cells.map((cell) => ({ cell, pairs: pairsOf(cell) }));
  while (uncovered.size > 0) {
    // A cell covers no more pairs than before: those that cover none are out for good.
    candidates = candidates.filter(
      (one) => (one.pairs = one.pairs.filter((pair) => uncovered.has(pair))).length > 0,
    );
    const best = candidates.reduce((one, other) => (other.pairs.length > one.pairs.length ? other : one));
    sample.add(best.cell);
    for (const pair of best.pairs) uncovered.delete(pair);
  }
  return sample;
}

function pairsOf({ act, place, transport, client }: Factors): string[] {
  const factors = [act, place, transport, client];
  return factors.flatMap((one, index) =>
    factors.slice(index + 1).map((other, offset) => `${index}/${index + 1 + offset}: ${one} | ${other}`),
  );
}
