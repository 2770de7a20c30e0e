import type { Link } from '../../link/link.ts';
import { ProcessLife, type RunningProcess } from './process-life.ts';

/** A process of a revision without a handshake: it takes requests as soon as it is open (2026-07-28, basic/index, statelessness). */
export class StatelessProcess extends ProcessLife<RunningProcess> {
  /** Takes a process that runs already. */
  adopt(link: Link): void {
    this.adoptReady({ link });
  }

  protected override async prepare(link: Link): Promise<RunningProcess> {
    return { link };
  }
}
