export { ERRORS, RunError, isRunError, type ErrorCode, type ErrorFields } from './errors.ts';
export { createGateway, type Gateway, type GatewayOptions } from './gateway/gateway.ts';
export type { Endpoints as Listening, ServerEndpoints as Served } from './gateway/endpoints.ts';
export type { Ask, Question } from './manifest/resolve/inputs.ts';
export type { SettingsLayer } from './manifest/resolve/layers.ts';
export { loadManifest, type LoadOptions } from './manifest/load.ts';
export type { OAuthOptions, RemoteOptions } from './manifest/resolve/remote-target.ts';
export type { ChildOptions } from './manifest/resolve/resolve-server.ts';
export type {
  LogFormat,
  LogLevel,
  OAuthSettings,
  RemoteTarget,
  StdioTarget,
  Target,
  Transport,
} from './config/types.ts';
export type { Manifest, RejectedServer, ServerSpec, Settings } from './manifest/settings.ts';
export { openLog, type Log, type LogFields, type LogOptions } from './observe/log.ts';
