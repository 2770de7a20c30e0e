import type { Link } from '../../link/link.ts';
import type { Exchanges } from '../exchanges.ts';
import type { IdleWaiters } from '../idle-waiters.ts';
import type { UnmatchedAnswers } from '../unmatched-answers.ts';
import type { OpenRequests } from './open-requests.ts';
import type { ServerConnection } from './server-connection.ts';

/** The parts of a conversation that messages of both directions pass. */
export interface ConversationParts {
  readonly client: Link;
  readonly server: ServerConnection;
  readonly exchanges: Exchanges;
  /** Requests of the server that the client has yet to answer. */
  readonly serverRequests: OpenRequests;
  readonly unmatched: UnmatchedAnswers;
  readonly idle: IdleWaiters;
}
