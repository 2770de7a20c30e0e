import type { Link } from './link.ts';

/** Wraps a link in one that changes or observes the frames that pass. */
export type LinkFilter = (link: Link) => Link;

/**
 * The link with all filters around it. Frames that are sent pass the filters in the order of the list, frames from the peer in
 * reverse: the last filter is next to the link.
 */
export function compose(link: Link, filters: readonly LinkFilter[]): Link {
  return filters.reduceRight((inner, filter) => filter(inner), link);
}
