export { ERRORS, RunError, isRunError, type ErrorCode, type ErrorFields } from './errors.ts';
export { createGateway, type Gateway, type GatewayOptions } from './gateway/gateway.ts';
export type { Listening, Served } from './gateway/listening.ts';
export type { Ask, Question } from './manifest/inputs.ts';
export type { SettingsLayer } from './manifest/layers.ts';
export { loadManifest, type LoadOptions } from './manifest/load.ts';
export type { OAuthOptions, RemoteOptions } from './manifest/remote-target.ts';
export type { ChildOptions } from './manifest/resolve-server.ts';
export type {
  LogFormat,
  LogLevel,
  Manifest,
  OAuthSettings,
  RejectedServer,
  RemoteTarget,
  ServerSpec,
  Settings,
  StdioTarget,
  Target,
  Transport,
} from './manifest/settings.ts';
export { openLog, type Log, type LogFields, type LogOptions } from './observe/log.ts';
