/** Every behaviour, over every transport, with every client. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Endpoint } from '../support/clients.ts';
import { fixtureServer } from '../support/paths.ts';
import { connectRaw } from '../support/raw-client.ts';
import { BEHAVIOURS, type Behaviour, type Difference } from './behaviours.ts';
import {
  CLIENTS,
  TRANSPORTS,
  type ClientName,
  type Route,
  type Sharing,
  type TransportColumn,
} from './columns.ts';

const SERVER = fixtureServer('behaviours');

for (const transport of TRANSPORTS) {
  describe(transport.name, () => {
    const routes = new Map<boolean, Route>();
    beforeAll(async () => {
      // One gateway for all rows: what a row leaves behind must not matter to the next.
      routes.set(false, await transport.open(SERVER, []));
      routes.set(true, await transport.open(SERVER, ['--allow-roots']));
    });
    afterAll(() => Promise.all([...routes.values()].map((route) => route.stop())));

    for (const client of clientNames()) {
      describe(client, () => {
        for (const row of BEHAVIOURS.filter((candidate) => applies(candidate, transport, client))) {
          const { sharing } = transport;
          const difference = sharing === undefined ? undefined : differenceOf(row, sharing);
          const title = difference === undefined ? row.title : `not: ${row.title} (${difference.because})`;
          test(title, async () => {
            expect.hasAssertions();
            await withRoute(row, transport, routes, async ({ endpoint }) => {
              await run(difference === undefined ? row : difference, client, endpoint);
            });
          });
        }
      });
    }
  });
}

/** A row that must not meet what others have left behind in a shared process has one of its own. */
async function withRoute(
  row: Behaviour,
  transport: TransportColumn,
  routes: ReadonlyMap<boolean, Route>,
  use: (route: Route) => Promise<void>,
): Promise<void> {
  const isFresh = row.fresh === true && transport.sharing !== undefined;
  const route = isFresh ? await transport.open(SERVER, []) : routes.get(row.allowRoots === true);
  if (route === undefined) throw new Error('no route');
  try {
    await use(route);
  } finally {
    if (isFresh) await route.stop();
  }
}

async function run(row: Behaviour | Difference, client: ClientName, endpoint: Endpoint): Promise<void> {
  if (row.wire === true) await row.run({ connect: (options) => connectRaw(endpoint, options) });
  else await row.run({ connect: (options) => CLIENTS[client](endpoint, options) });
}

/** Without sessions it is as with a shared process, unless the row knows better. */
function differenceOf({ instead }: Behaviour, sharing: Sharing): Difference | undefined {
  return sharing === 'stateless' ? (instead?.stateless ?? instead?.shared) : instead?.shared;
}

function applies(row: Behaviour, transport: TransportColumn, client: ClientName): boolean {
  if (row.wire === true && client !== 'raw') return false;
  if (row.gatewayOnly === true && transport.direct === true) return false;
  return row.local === undefined || row.local === transport.local;
}

function clientNames(): ClientName[] {
  return Object.keys(CLIENTS).filter((name): name is ClientName => name in CLIENTS);
}
