/** The proven identity of a client, or of the process or server at the other end of a link. */
export interface Principal {
  /** What processes, sessions and tasks are kept apart by: two requests with the same id have the same principal. */
  readonly id: string;
  /** What the proof of identity says about the client; it may differ between requests of one principal. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Of a process that we have started, and of a link that stands for a server. */
export const CHILD: Principal = { id: 'child', claims: {} };
