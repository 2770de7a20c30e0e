/** Every behaviour, over every transport, with every client, in front of one server. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Endpoint } from '../support/clients.ts';
import { connectRaw } from '../support/raw-client.ts';
import { connectRawModern } from '../support/raw-modern.ts';
import { BEHAVIOURS, type Behaviour, type Difference, type ModernDifference } from './behaviours.ts';
import {
  CLIENTS,
  isBridged,
  PLACES,
  TRANSPORTS,
  type ClientColumn,
  type Place,
  type Route,
  type Served,
  type ServerEra,
  type TransportColumn,
} from './columns.ts';

/** `npm run test:matrix` runs all cells; other runs leave clients out that say the same in other bytes. */
const RUNS_ALL = process.env['MCP_RUN_MATRIX'] === 'all';

interface Cell {
  readonly transport: TransportColumn;
  readonly client: ClientColumn;
  readonly era: ServerEra;
  readonly endpoint: Endpoint;
}

export function describeTable(name: keyof typeof PLACES): void {
  const place: Place = { name, ...PLACES[name] };
  const { era } = place;
  let server: Served = { args: [], stop: async () => {} };
  let cells = 0;
  let left = 0;
  beforeAll(async () => {
    server = await place.open();
  });
  afterAll(() => server.stop());
  for (const transport of TRANSPORTS) {
    const clients = CLIENTS.filter((client) => meets(client, transport, place));
    if (clients.length === 0) continue;
    describe(transport.name, () => {
      const routes = new Map<boolean, Route>();
      beforeAll(async () => {
        // One gateway for all rows: what a row leaves behind must not matter to the next.
        routes.set(false, await transport.open(server, []));
        routes.set(true, await transport.open(server, ['--allow-roots']));
      });
      afterAll(() => Promise.all([...routes.values()].map((route) => route.stop())));

      for (const client of clients) {
        const rows = BEHAVIOURS.filter((row) => applies(row, transport, client));
        if (!RUNS_ALL && client.raw !== true && saysTheSame(transport, place)) {
          left += rows.length;
          continue;
        }
        cells += rows.length;
        describe(client.name, () => {
          for (const row of rows) {
            const because = reasonOf(row, { transport, client, era });
            const title = because === undefined ? row.title : `not: ${row.title} (${because})`;
            test(title, async () => {
              expect.hasAssertions();
              await withRoute(row, transport, routes, server, ({ endpoint }) =>
                run(row, { transport, client, era, endpoint }),
              );
            });
          }
        });
      }
    });
  }
  afterAll(() => {
    const rest = left > 0 ? `, and ${left} more with npm run test:matrix` : '';
    console.log(`matrix, ${name}: ${cells} cells${rest}`);
  });
}

/** A row that must not meet what others have left behind in a shared process has one of its own. */
async function withRoute(
  row: Behaviour,
  transport: TransportColumn,
  routes: ReadonlyMap<boolean, Route>,
  server: Served,
  use: (route: Route) => Promise<void>,
): Promise<void> {
  const isFresh = row.fresh === true && transport.direct !== true;
  const route = isFresh ? await transport.open(server, []) : routes.get(row.allowRoots === true);
  if (route === undefined) throw new Error('no route');
  try {
    await use(route);
  } finally {
    if (isFresh) await route.stop();
  }
}

async function run(row: Behaviour, { transport, client, era, endpoint }: Cell): Promise<void> {
  if (client.modern === true) {
    const act = modernDifferenceOf(row, client, era) ?? row;
    if (act.wire === true) await act.run({ connect: (options) => connectRawModern(endpoint, options) });
    else await act.run({ connect: (options) => client.connect(endpoint, options) });
    return;
  }
  const act = differenceOf(row, transport, client, era) ?? row;
  if (act.wire === true) await act.run({ connect: (options) => connectRaw(endpoint, options) });
  else await act.run({ connect: (options) => client.connect(endpoint, options) });
}

/** Where the SDKs' clients add little to what the raw ones show: translated or shared, what differs are the bytes. */
function saysTheSame({ sharing }: TransportColumn, { era, isRemote }: Place): boolean {
  return era !== 'legacy' || sharing !== undefined || isRemote === true;
}

/** Who cannot reach whom: without a gateway those who have no revision in common. */
function meets(client: ClientColumn, transport: TransportColumn, { era, isRemote }: Place): boolean {
  if (client.modern === true && transport.modern !== true) return false;
  if ((era !== 'legacy' || isRemote === true) && transport.sharing !== undefined) return false;
  if (isRemote === true && transport.direct === true) return false;
  return transport.direct !== true || !isBridged(client, era);
}

function reasonOf(row: Behaviour, { transport, client, era }: Omit<Cell, 'endpoint'>): string | undefined {
  if (client.modern === true) return modernDifferenceOf(row, client, era)?.because;
  return differenceOf(row, transport, client, era)?.because;
}

/** Without sessions it is as with a shared process, unless the row knows better. */
function differenceOf(
  { instead = {} }: Behaviour,
  { sharing }: TransportColumn,
  client: ClientColumn,
  era: ServerEra,
): Difference | undefined {
  if (isBridged(client, era)) return instead.legacyOnModern;
  if (sharing === undefined) return undefined;
  return sharing === 'stateless' ? (instead.stateless ?? instead.shared) : instead.shared;
}

function modernDifferenceOf(
  { instead = {} }: Behaviour,
  client: ClientColumn,
  era: ServerEra,
): ModernDifference | undefined {
  return isBridged(client, era) ? instead.modernOnLegacy : instead.modern;
}

function applies(row: Behaviour, transport: TransportColumn, client: ClientColumn): boolean {
  if (row.wire === true && client.raw !== true) return false;
  if (row.gatewayOnly === true && transport.direct === true) return false;
  return row.local === undefined || row.local === transport.local;
}
