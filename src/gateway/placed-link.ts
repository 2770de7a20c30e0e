import { ForwardingLink } from '../link/forward.ts';
import type { Link } from '../link/link.ts';
import type { ProcessSlots } from './process-slots.ts';

export interface PlacedOptions {
  readonly places: ProcessSlots;
  readonly server: string;
  readonly principalId: string;
  /** Called when there is a place. Rejects with a RunError. */
  readonly open: () => Promise<Link>;
}

/** Whether a process is about to end. */
class Stay {
  isLeaving = false;
}

class PlacedLink extends ForwardingLink {
  readonly #stay: Stay;
  readonly #release: () => void;

  constructor(link: Link, stay: Stay, release: () => void) {
    super(link);
    this.#stay = stay;
    this.#release = release;
  }

  override close(reason?: Error): Promise<void> {
    this.#stay.isLeaving = true;
    return super.close(reason);
  }

  /** A process that hung up runs on for a while, and keeps its place until it has ended. */
  protected override closed(error?: Error): void {
    this.#stay.isLeaving = true;
    void this.link.close().finally(this.#release);
    super.closed(error);
  }
}

/** Opens a process for clients without sessions, which has a place for as long as it lives. Rejects with a RunError. */
export async function openPlaced({ places, server, principalId, open }: PlacedOptions): Promise<Link> {
  const stay = new Stay();
  const place = places.acquire({ server, principalId, isLeaving: () => stay.isLeaving });
  try {
    await place.ready();
    return new PlacedLink(await open(), stay, () => place.release()).watch();
  } catch (error) {
    place.release();
    throw error;
  }
}
