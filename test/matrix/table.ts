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
  type TransportColumn,
} from './columns.ts';

/** `npm run test:matrix` runs all cells; other runs leave clients out that say the same in other bytes. */
const RUNS_ALL = process.env['MCP_RUN_MATRIX'] === 'all';

interface Cell {
  readonly transport: TransportColumn;
  readonly client: ClientColumn;
  readonly place: Place;
  readonly endpoint: Endpoint;
}

export function describeTable(name: keyof typeof PLACES): void {
  const place: Place = { name, ...PLACES[name] };
  let server: Served = { args: [], stop: async () => {} };
  let cells = 0;
  let left = 0;
  beforeAll(async () => {
    server = await place.open();
  });
  afterAll(() => server.stop());
  for (const transport of TRANSPORTS) {
    const all = CLIENTS.filter((client) => meets(client, transport, place));
    const clients = all.filter((client) => RUNS_ALL || !saysTheSame(transport, client, place));
    for (const client of all) if (!clients.includes(client)) left += rowsFor(transport, client).length;
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
        const rows = rowsFor(transport, client);
        cells += rows.length;
        describe(client.name, () => {
          for (const row of rows) {
            const because = reasonOf(row, { transport, client, place });
            const title = because === undefined ? row.title : `not: ${row.title} (${because})`;
            test(title, async () => {
              expect.hasAssertions();
              const use = ({ endpoint }: Route) => run(row, { transport, client, place, endpoint });
              await (row.fresh === true && transport.direct !== true
                ? withFreshRoute(transport, place, use)
                : use(routeOf(row, routes)));
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

function routeOf(row: Behaviour, routes: ReadonlyMap<boolean, Route>): Route {
  const route = routes.get(row.allowRoots === true);
  if (route === undefined) throw new Error('no route');
  return route;
}

/** A row that must not meet what others have left behind in a shared process has one of its own. */
async function withFreshRoute(
  transport: TransportColumn,
  place: Place,
  use: (route: Route) => Promise<void>,
): Promise<void> {
  const server = await place.open();
  const route = await transport.open(server, []);
  try {
    await use(route);
  } finally {
    await route.stop();
    await server.stop();
  }
}

async function run(row: Behaviour, { transport, client, place, endpoint }: Cell): Promise<void> {
  if (client.modern === true) {
    const act = modernDifferenceOf(row, client, place) ?? row;
    if (act.wire === true) await act.run({ connect: (options) => connectRawModern(endpoint, options) });
    else await act.run({ connect: (options) => client.connect(endpoint, options) });
    return;
  }
  const act = differenceOf(row, transport, client, place) ?? row;
  if (act.wire === true) await act.run({ connect: (options) => connectRaw(endpoint, options) });
  else await act.run({ connect: (options) => client.connect(endpoint, options) });
}

/**
 * Where the SDKs' clients add little to what the raw ones show: translated or shared, what differs are the bytes. The
 * other way round, what is different behind a URL is the server's end, and one transport shows it as well as another.
 */
function saysTheSame(
  { name, sharing }: TransportColumn,
  { raw }: ClientColumn,
  { era, isRemote, isChain }: Place,
): boolean {
  if (isRemote === true && (name === 'sse' || (isChain === true && name !== 'stdio'))) return true;
  return raw !== true && (era !== 'legacy' || sharing !== undefined || isRemote === true);
}

/** Who cannot reach whom: without a gateway those who have no revision in common. */
function meets(client: ClientColumn, transport: TransportColumn, { era, isRemote }: Place): boolean {
  if (client.modern === true && transport.modern !== true) return false;
  if ((era !== 'legacy' || isRemote === true) && transport.sharing !== undefined) return false;
  if (isRemote === true && transport.direct === true) return false;
  return transport.direct !== true || !isBridged(client, era);
}

function reasonOf(row: Behaviour, { transport, client, place }: Omit<Cell, 'endpoint'>): string | undefined {
  if (client.modern === true) return modernDifferenceOf(row, client, place)?.because;
  return differenceOf(row, transport, client, place)?.because;
}

/** Without sessions it is as with a shared process, unless the row knows better. */
function differenceOf(
  { instead = {} }: Behaviour,
  { sharing }: TransportColumn,
  client: ClientColumn,
  { era, isRemote }: Place,
): Difference | undefined {
  if (isRemote === true && era === 'modern' && instead.modernUrl !== undefined) return instead.modernUrl;
  if (isBridged(client, era)) return instead.legacyOnModern;
  if (sharing === undefined) return undefined;
  return sharing === 'stateless' ? (instead.stateless ?? instead.shared) : instead.shared;
}

function modernDifferenceOf(
  { instead = {} }: Behaviour,
  client: ClientColumn,
  { era, isRemote, isChain }: Place,
): ModernDifference | undefined {
  const isModernUrl = isRemote === true && (era === 'modern' || isChain === true);
  if (isModernUrl && instead.modernOfModernUrl !== undefined) return instead.modernOfModernUrl;
  return isBridged(client, era) ? instead.modernOnLegacy : instead.modern;
}

function rowsFor(transport: TransportColumn, client: ClientColumn): Behaviour[] {
  return BEHAVIOURS.filter((row) => applies(row, transport, client));
}

function applies(row: Behaviour, transport: TransportColumn, client: ClientColumn): boolean {
  if (row.wire === true && client.raw !== true) return false;
  if (row.gatewayOnly === true && transport.direct === true) return false;
  return row.local === undefined || row.local === transport.local;
}
