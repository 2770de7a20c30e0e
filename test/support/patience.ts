/**
 * How long a test waits for what has to happen, in ms. It only turns a hang into a failure: no test depends on how long
 * anything takes, and a busy machine may take many times as long as a quiet one.
 */
export const PATIENCE_MS = 60_000;
