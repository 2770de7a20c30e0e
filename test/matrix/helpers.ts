/** What the rows of the table ask again and again. */
import { expect } from 'vitest';
import { callTool, RpcFailure, type TestClient } from '../support/clients.ts';
import { at, json, type Json } from '../support/json.ts';
import { eventually } from '../support/eventually.ts';

/** A request as its server got it, with the id that it was sent with: in a shared process ids are not the client's. */
export function withId(id: string, line: unknown): string {
  return String(line).replace(/"id":\d+/, `"id":${id}`);
}

export function loggedBy({ incoming }: TestClient): unknown[] {
  return incoming
    .filter(({ method }) => method === 'notifications/message')
    .map(({ params }) => json(params)['data']);
}

/** What the server got as params of `initialize`. */
export async function initializeParamsOf(client: TestClient): Promise<Json> {
  const [line = '{}'] = await receivedBy(client, '"initialize"');
  return json(at(JSON.parse(line), 'params'));
}

/** The lines that the server got, apart from the question about them. */
export async function receivedBy(client: TestClient, containing: string): Promise<string[]> {
  const lines = at(await callTool(client, 'received', { containing }), 'structuredContent', 'lines');
  if (!Array.isArray(lines)) throw new Error('the server kept no record');
  return lines.map(String).filter((line) => !line.includes('"received"'));
}

/** Waits until the client has got that notification. */
export async function arrival(client: TestClient, method: string, params: Json): Promise<void> {
  await eventually(() => expect(client.incoming).toContainEqual({ jsonrpc: '2.0', method, params }));
}

export async function expectRpcError(call: Promise<unknown>, code: number, data: unknown): Promise<void> {
  const error: unknown = await call.then(
    (result) => expect.fail(`answered with ${JSON.stringify(result)}`),
    (failure: unknown) => failure,
  );
  if (!(error instanceof RpcFailure)) throw error;
  expect({ code: error.code, data: error.data }).toEqual({ code, data });
}
