// @ts-check
/**
 * The two tiers of the tests: `quick` is `npm test` and CI, `all` is `npm run test:all`. This file alone decides which
 * cases belong to which tier; the table in CONTRIBUTING.md is generated from it.
 */

/**
 * @typedef {object} Tier
 * @property {boolean} isWhole Every cell of the matrix and every conformance scenario.
 * @property {number} chaosMs For both isolations together.
 * @property {number | undefined} seed Of chaos and fuzzing; without one, each run has its own.
 * @property {number} fuzzFactor How many times the usual number of inputs.
 */

const MINUTE = 60_000;

/** @type {{ readonly quick: Tier, readonly all: Tier }} */
export const TIERS = {
  quick: { isWhole: false, chaosMs: 20_000, seed: 20_261_129, fuzzFactor: 1 },
  all: { isWhole: true, chaosMs: 20 * MINUTE, seed: undefined, fuzzFactor: 50 },
};

/** The one that this process runs. MCP_RUN_CHAOS_MS and MCP_RUN_TEST_SEED change it. */
export const TIER = tierOf(process.env);

/** @param {NodeJS.ProcessEnv} env @returns {Tier} */
function tierOf({ MCP_RUN_TEST_TIER: name, MCP_RUN_CHAOS_MS: chaosMs, MCP_RUN_TEST_SEED: seed }) {
  const tier = name === 'all' ? TIERS.all : TIERS.quick;
  return {
    ...tier,
    chaosMs: chaosMs === undefined ? tier.chaosMs : Number(chaosMs),
    seed: seed === undefined ? tier.seed : Number(seed),
  };
}

/** @type {readonly (readonly [what: string, quick: string, all: string])[]} */
const ROWS = [
  [
    'behaviour matrix, `test/matrix`',
    'a fixed sample with each pair of behaviour, server, transport and client (`test/matrix/sample.ts`)',
    'every cell',
  ],
  [
    'official conformance, `test/conformance`',
    'both revisions and eras; authorization only where client and revision are of the same era',
    'every scenario',
  ],
  [
    'chaos, `test/chaos`',
    `${TIERS.quick.chaosMs / 1_000} s, the same seed in each run`,
    `${TIERS.all.chaosMs / MINUTE} minutes, a new seed in each run (MCP_RUN_CHAOS_MS, MCP_RUN_TEST_SEED)`,
  ],
  [
    'fuzzing',
    'the same inputs in each run',
    `${TIERS.all.fuzzFactor} times as many inputs, different in each run`,
  ],
  ['everything else', 'all of it', 'all of it'],
];

/** For CONTRIBUTING.md. */
export function tierTable() {
  const rows = ROWS.map((cells) => `| ${cells.join(' | ')} |`);
  return ['| tests | `npm test`, CI | `npm run test:all` |', '|---|---|---|', ...rows].join('\n');
}
