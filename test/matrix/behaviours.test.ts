/** Every behaviour, over every transport, with every client. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fixtureServer } from '../support/paths.ts';
import { connectRaw } from '../support/raw-client.ts';
import { BEHAVIOURS, type Behaviour } from './behaviours.ts';
import { CLIENTS, TRANSPORTS, type ClientName, type Route, type TransportColumn } from './columns.ts';

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
          test(row.title, () => run(row, client, routes.get(row.allowRoots === true)));
        }
      });
    }
  });
}

async function run(row: Behaviour, client: ClientName, route: Route | undefined): Promise<void> {
  if (route === undefined) throw new Error('no route');
  expect.hasAssertions();
  const { endpoint } = route;
  if (row.wire === true) await row.run({ connect: (options) => connectRaw(endpoint, options) });
  else await row.run({ connect: (options) => CLIENTS[client](endpoint, options) });
}

function applies(row: Behaviour, transport: TransportColumn, client: ClientName): boolean {
  if (row.wire === true && client !== 'raw') return false;
  if (row.gatewayOnly === true && transport.direct === true) return false;
  return row.local === undefined || row.local === transport.local;
}

function clientNames(): ClientName[] {
  return Object.keys(CLIENTS).filter((name): name is ClientName => name in CLIENTS);
}
