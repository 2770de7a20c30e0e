/** What a server has said to a request that it did not authorize. */
export interface Challenge {
  /** 401, or 403 with `insufficient_scope`. */
  readonly status: number;
  readonly wwwAuthenticate: string | undefined;
  /** The `Authorization` header that the request carried: another request may have replaced its token since. */
  readonly sent: string | undefined;
}

/** Our credentials for one remote server. Those that clients send us are never part of it. */
export interface Authorization {
  /**
   * The `Authorization` header of the next request; undefined if there is none (yet).
   * @param signal is asked for if that takes time: one made for every request would cost more than all the rest here
   */
  header(signal: () => AbortSignal): Promise<string | undefined>;
  /**
   * Obtains what the challenge asks for; callers at the same time share one attempt.
   * @returns whether it is worth sending the request again
   * @throws RunError `AUTHORIZATION_FAILED`
   */
  challenged(challenge: Challenge, signal: AbortSignal): Promise<boolean>;
  /** Idempotent. Ends what is under way. */
  close(): Promise<void>;
}
