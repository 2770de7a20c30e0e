/** Every behaviour, over every transport, with every client, in front of one server. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Endpoint } from '../support/clients.ts';
import { connectRaw } from '../support/raw-client.ts';
import { connectRawModern } from '../support/raw-modern.ts';
import { BEHAVIOURS, type Behaviour, type Difference, type ModernDifference } from './behaviours.ts';
import { pairwise } from './sample.ts';
import { TIER } from '../../scripts/tiers.js';
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

interface Cell {
  readonly row: Behaviour;
  readonly transport: TransportColumn;
  readonly client: ClientColumn;
  readonly place: Place;
  readonly title: string;
}

const CELLS: readonly Cell[] = Object.entries(PLACES).flatMap(([name, place]) =>
  TRANSPORTS.flatMap((transport) =>
    CLIENTS.filter((client) => meets(client, transport, place)).flatMap((client) =>
      rowsFor(transport, client).map((row) => {
        const columns = { transport, client, place: { name, ...place } };
        return { row, ...columns, title: titleOf(row, columns) };
      }),
    ),
  ),
);

const CHOSEN = TIER.isWhole ? new Set(CELLS) : sampleOf(CELLS);

export function describeTable(name: keyof typeof PLACES): void {
  const place: Place = { name, ...PLACES[name] };
  const all = CELLS.filter((cell) => cell.place.name === name);
  const cells = all.filter((cell) => CHOSEN.has(cell));
  let server: Served = { args: [], stop: async () => {} };
  beforeAll(async () => {
    server = await place.open();
  });
  afterAll(() => server.stop());
  for (const transport of TRANSPORTS) {
    const its = cells.filter((cell) => cell.transport === transport);
    if (its.length === 0) continue;
    describe(transport.name, () => {
      describeColumns(its, transport, () => server);
    });
  }
  afterAll(() => {
    const rest = all.length - cells.length;
    console.log(
      `matrix, ${name}: ${cells.length} cells${rest > 0 ? `, and ${rest} more with npm run test:all` : ''}`,
    );
  });
}

function describeColumns(cells: readonly Cell[], transport: TransportColumn, serverOf: () => Served): void {
  const routes = new Map<boolean, Route>();
  beforeAll(async () => {
    // One gateway for all rows: what a row leaves behind must not matter to the next.
    for (const allowRoots of new Set(cells.map(({ row }) => row.allowRoots === true)))
      routes.set(allowRoots, await transport.open(serverOf(), allowRoots ? ['--allow-roots'] : []));
  });
  afterAll(() => Promise.all([...routes.values()].map((route) => route.stop())));

  for (const client of CLIENTS) {
    const its = cells.filter((cell) => cell.client === client);
    if (its.length === 0) continue;
    describe(client.name, () => {
      for (const cell of its) {
        test(cell.title, async () => {
          expect.hasAssertions();
          const use = ({ endpoint }: Route) => run(cell, endpoint);
          await (cell.row.fresh === true && transport.direct !== true
            ? withFreshRoute(transport, cell.place, use)
            : use(routeOf(cell.row, routes)));
        });
      }
    });
  }
}

function sampleOf(cells: readonly Cell[]): ReadonlySet<Cell> {
  const named = cells.map((cell) => ({
    cell,
    act: cell.title,
    place: cell.place.name,
    transport: cell.transport.name,
    client: cell.client.name,
  }));
  return new Set([...pairwise(named)].map(({ cell }) => cell));
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

async function run({ row, transport, client, place }: Cell, endpoint: Endpoint): Promise<void> {
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

/** Who cannot reach whom: without a gateway those who have no revision in common. */
function meets(
  client: ClientColumn,
  transport: TransportColumn,
  { era, isRemote }: Omit<Place, 'name'>,
): boolean {
  if (client.modern === true && transport.modern !== true) return false;
  if ((era !== 'legacy' || isRemote === true) && transport.sharing !== undefined) return false;
  if (isRemote === true && transport.direct === true) return false;
  return transport.direct !== true || !isBridged(client, era);
}

function titleOf(
  row: Behaviour,
  { transport, client, place }: Pick<Cell, 'transport' | 'client' | 'place'>,
): string {
  const difference =
    client.modern === true
      ? modernDifferenceOf(row, client, place)
      : differenceOf(row, transport, client, place);
  return difference === undefined ? row.title : `not: ${row.title} (${difference.because})`;
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
