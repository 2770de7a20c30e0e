/** Where the suite's client scenarios are played: it starts them all at once, and here they get their turns. */
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { at, json, type Json } from '../support/json.ts';
import { ROOT } from '../support/paths.ts';

/** One scenario, as the suite tells a client of it. */
export interface Step {
  readonly scenario: string;
  /** Of the server that the client has to use. */
  readonly url: string;
  /** What else it has to know, such as credentials. */
  readonly context: Json;
}

/** Rejects if the client has failed, which some scenarios want. */
export type Play = (cue: Step) => Promise<void>;

/** What two cores carry without making the scenarios wait for each other. */
const AT_ONCE = 3;

/**
 * @returns the command for the suite to start as its client
 */
export async function openHarness(play: Play): Promise<string> {
  const waiting: (() => Promise<void>)[] = [];
  let playing = 0;
  const server = createServer((socket) => {
    // A client that the suite has given up.
    socket.on('error', () => {});
    createInterface({ input: socket }).once('line', (line) => {
      waiting.push(() => perform(line, socket, play));
      advance();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const relay = join(ROOT, 'fixtures/clients/conformance-relay.js');
  return `"${process.execPath}" "${relay}" ${String(at(server.address(), 'port'))}`;

  function advance(): void {
    if (playing === AT_ONCE) return;
    const next = waiting.shift();
    if (next === undefined) return;
    playing += 1;
    void next().finally(() => {
      playing -= 1;
      advance();
    });
  }
}

/** The answer is empty, or says what has gone wrong. */
async function perform(line: string, socket: Socket, play: Play): Promise<void> {
  try {
    const { scenario, url, context } = json(JSON.parse(line));
    await play({ scenario: String(scenario), url: String(url), context: json(context) });
    socket.end();
  } catch (error) {
    socket.end(String(error));
  }
}
