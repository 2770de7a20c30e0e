import { LOG_LEVELS, META } from '../protocol/constants.ts';
import type { JsonRpcMessage } from '../protocol/frame.ts';
import { isRequestId, type RequestId } from '../protocol/request-id.ts';
import { isJson, jsonOf, withMeta, without, type Json } from './json.ts';

/** The metadata of a request about its sender (2026-07-28, basic/index, per-request protocol fields). */
export interface Envelope {
  readonly protocolVersion: string;
  readonly clientCapabilities: Json;
  readonly clientInfo: Json | undefined;
  /** Minimum severity of the log lines that the client wants while the request runs. */
  readonly logLevel: string | undefined;
}

/** `fault` is a text for people; `field` is the invalid key of `_meta`. */
export type EnvelopeReading =
  | { readonly envelope: Envelope }
  | { readonly fault: string; readonly field: string };

const KEYS = [META.protocolVersion, META.clientCapabilities, META.clientInfo, META.logLevel];

/** Whether the metadata of a message names a revision without handshake; `initialize` never counts as such. */
export function claimsModern(message: JsonRpcMessage): boolean {
  return message.method !== 'initialize' && META.protocolVersion in metaOf(message);
}

/** The revision that the metadata of a message names. */
export function claimedRevision(message: JsonRpcMessage): unknown {
  return metaOf(message)[META.protocolVersion];
}

export function readEnvelope(message: JsonRpcMessage): EnvelopeReading {
  const {
    [META.protocolVersion]: protocolVersion,
    [META.clientCapabilities]: clientCapabilities,
    [META.clientInfo]: clientInfo,
    [META.logLevel]: logLevel,
  } = metaOf(message);
  if (typeof protocolVersion !== 'string') return faultOf(META.protocolVersion, 'must be a string');
  if (!isJson(clientCapabilities)) return faultOf(META.clientCapabilities, 'must be an object');
  if (clientInfo !== undefined && !isJson(clientInfo)) return faultOf(META.clientInfo, 'must be an object');
  if (logLevel !== undefined && !isLogLevel(logLevel)) return faultOf(META.logLevel, 'is not a level');
  return { envelope: { protocolVersion, clientCapabilities, clientInfo, logLevel } };
}

/** The message under another envelope; everything else of its `_meta` stays. */
export function withEnvelope(message: JsonRpcMessage, envelope: Envelope): JsonRpcMessage {
  const { protocolVersion, clientCapabilities, clientInfo, logLevel } = envelope;
  const _meta = {
    ...without(metaOf(message), ...KEYS),
    [META.protocolVersion]: protocolVersion,
    [META.clientCapabilities]: clientCapabilities,
    ...(clientInfo !== undefined && { [META.clientInfo]: clientInfo }),
    ...(logLevel !== undefined && { [META.logLevel]: logLevel }),
  };
  return { ...message, params: { ...message.params, _meta } };
}

/** The message as a 2025 revision has it. */
export function withoutEnvelope(message: JsonRpcMessage): JsonRpcMessage {
  const { params } = message;
  if (params === undefined || !isJson(params['_meta'])) return message;
  return { ...message, params: { ...withMeta(params, without(params['_meta'], ...KEYS)) } };
}

/** Another token in place of the one that is there; a message without one stays without. */
export function withProgressToken(message: JsonRpcMessage, token: RequestId): JsonRpcMessage {
  const meta = metaOf(message);
  if (meta['progressToken'] === undefined) return message;
  return { ...message, params: { ...message.params, _meta: { ...meta, progressToken: token } } };
}

/** That of a request of either era (2025-11-25, basic/utilities/progress; 2026-07-28, basic/patterns/progress). */
export function progressTokenOf({ params }: JsonRpcMessage): RequestId | undefined {
  const meta = params?.['_meta'];
  const token = isJson(meta) ? meta['progressToken'] : undefined;
  return isRequestId(token) ? token : undefined;
}

function metaOf({ params }: JsonRpcMessage): Json {
  return jsonOf(params?.['_meta']);
}

function isLogLevel(value: unknown): value is (typeof LOG_LEVELS)[number] {
  return LOG_LEVELS.some((level) => level === value);
}

function faultOf(field: string, problem: string): EnvelopeReading {
  return { fault: `_meta["${field}"] ${problem}`, field };
}
