import type { Capability } from '../config/types.ts';
import { capabilityFilter } from '../link/capability-filter.ts';
import type { LinkFilter } from '../link/compose.ts';
import { createToolFilter, toolFilter } from '../link/tool-filter.ts';
import type { ServerSpec } from '../manifest/settings.ts';
import type { Log } from '../observe/log.ts';

/**
 * Everything that stands between a client and a server, in the order in which a request passes it: first the filters around
 * the client's link, then those around the server's. What observes or changes the traffic of a server is an entry here.
 */
export class ServerFilters {
  readonly #log: Log;
  readonly #toolFilters: readonly LinkFilter[];

  constructor(spec: ServerSpec, log: Log) {
    this.#log = log;
    this.#toolFilters = toolFiltersOf(spec, log);
  }

  /** @param withheld what the client may declare and the server does not get to see */
  aroundClient(withheld: ReadonlySet<Capability>): readonly LinkFilter[] {
    return [capabilityFilter({ withheld, onWithheld: (names) => this.#withheld(names) })];
  }

  /** @param health the supervisor's observer */
  aroundServer(health: LinkFilter): readonly LinkFilter[] {
    return [...this.#toolFilters, health];
  }

  #withheld(capabilities: readonly string[]): void {
    const names = capabilities.join(', ');
    this.#log.info(
      { event: 'client.withheld', capabilities },
      `withheld from the server: the client's ${names} ("allow" in the server's entry passes them on)`,
    );
  }
}

/** One filter for all links to a server: it remembers the tools that the server has listed. */
function toolFiltersOf({ name, tools }: ServerSpec, log: Log): readonly LinkFilter[] {
  if (tools === undefined) return [];
  const onUnmatched = (patterns: readonly string[]): void =>
    log.warn(
      { event: 'server.tools-unmatched', patterns },
      `Server "${name}" has no tool that matches ${patterns.join(', ')}; check "tools" in its entry`,
    );
  return [toolFilter({ server: name, filter: createToolFilter(tools), onUnmatched })];
}
