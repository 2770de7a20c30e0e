import { RunError } from '../errors.ts';
import { MODERN_REVISION } from './constants.ts';
import { frameOf, type Frame, type FrameKind, type JsonRpcMessage, type RequestId } from './frame.ts';

/**
 * A catalogued error as a JSON-RPC error response. `data.reason` is the code in lower case, so that a client can
 * tell a crash from a timeout without reading the text. The frame is for clients on the network: of a command it has the
 * name, of a remote server the origin. `forParent` has all of it.
 * @param id of the request that it answers. If that is not known: null on a stream of messages (JSON-RPC 2.0,
 * section 5), undefined in the body of an HTTP answer (2025-11-25, basic/transports: "has no id"). A request that was
 * refused unread may still have shown its id, which is then the one.
 */
export function faultFrame(error: RunError, id: RequestId | null | undefined): Frame {
  return withParentView(faultOf(error, id, publicFault(error)), () => faultOf(error, id, parentFault(error)));
}

class TwoViews implements Frame {
  readonly kind: FrameKind;
  declare readonly id?: RequestId;
  readonly bytes: Uint8Array;
  readonly message: JsonRpcMessage;
  readonly #render: () => Frame;

  constructor({ kind, id, bytes, message }: Frame, render: () => Frame) {
    this.kind = kind;
    if (id !== undefined) this.id = id;
    this.bytes = bytes;
    this.message = message;
    this.#render = render;
  }

  get parentView(): Frame {
    return this.#render();
  }
}

/** The frame for the process that started us: what it runs is no secret to it. */
export function forParent(frame: Frame): Frame {
  return frame instanceof TwoViews ? frame.parentView : frame;
}

/** @param render makes the frame for the process that started us, when it is asked for */
export function withParentView(frame: Frame, render: () => Frame): Frame {
  return new TwoViews(frame, render);
}

/** The members of an error response for each kind of client. */
export function faultViews(error: RunError): { readonly network: object; readonly parent: object } {
  return { network: publicFault(error), parent: parentFault(error) };
}

/** An error response of a server, or a failure of ours in its place, as the failure of what needed the answer. */
export function upstreamError(server: string, method: string, answer: Frame): RunError {
  const detail = forParent(answer).message.error?.message ?? '';
  return new RunError('UPSTREAM_ERROR', {
    server,
    method,
    detail,
    said: answer.message.error?.message ?? '',
  });
}

interface Fault {
  code: number;
  message: string;
  data: { reason: string; hint?: string; stderr?: string; supported?: readonly string[]; requested?: string };
}

function faultOf(error: RunError, id: RequestId | null | undefined, fault: Fault): Frame {
  const known = id ?? error.requestId ?? id;
  return frameOf(known === undefined ? { error: fault } : { id: known, error: fault });
}

function publicFault(error: RunError): Fault {
  return faultBody(error, error.publicMessage, error.publicHint);
}

function parentFault(error: RunError): Fault {
  const { hint, stderr } = error.fields;
  // The text of an internal error is for the log, not for a client.
  const text = error.code === 'INTERNAL' ? error.publicMessage : error.message;
  // A hint that was found for this very failure; those of the catalogue are for whoever runs mcp-run.
  const fault = faultBody(error, text, typeof hint === 'string' ? hint : undefined);
  if (typeof stderr === 'string' && stderr !== '') fault.data.stderr = stderr;
  return fault;
}

function faultBody(error: RunError, text: string, hint: string | undefined): Fault {
  const data: Fault['data'] = { reason: error.code.toLowerCase(), ...(hint !== undefined && { hint }) };
  // What a client chooses its next attempt by (2026-07-28, schema, UnsupportedProtocolVersionError).
  if (error.code === 'UNSUPPORTED_REVISION')
    Object.assign(data, { supported: [MODERN_REVISION], requested: error.fields['requested'] });
  return { code: error.rpcCode, message: hint === undefined ? text : `${text}. ${hint}`, data };
}
