import { z } from 'zod';
import { OAUTH_GRANTS, REMOTE_TRANSPORTS } from '../../config/types.ts';
import { parseCallbackHost, parseClientMetadataUrl, parseIssuer, parseResource } from './remote-checks.ts';
import {
  choice,
  duration,
  flag,
  integer,
  launch,
  list,
  parsed,
  record,
  stringOrList,
  text,
} from './schema-parts.ts';

/** What a manifest and the command line say about remote servers. */

/** What `type` may say. */
export const TYPES = ['stdio', 'http', 'sse', 'streamable-http', 'streamableHttp', 'auto'] as const;
const COMMANDS = ['serve', 'check', 'login'] as const;
/** They also matter where a server's tokens are given back. */
const CREDENTIALS = [...COMMANDS, 'logout'] as const;
const GROUP = 'The remote server';

/** How a server's authorization is obtained. Keys that it does not name are warned about: other tools share the file. */
export const oauthSchema = z
  .looseObject({
    grant: choice(OAUTH_GRANTS).optional().meta({
      description: "A user's consent in a browser, or a client of its own that needs nobody.",
      default: 'authorization-code',
    }),
    clientId: text().optional().meta({ description: 'A client that is registered already.' }),
    clientSecret: text().optional().meta({ description: 'Its secret; better a reference or a file.' }),
    clientSecretFile: text().optional().meta({ description: 'A file with its secret.' }),
    privateKeyFile: text().optional().meta({
      description: 'A PEM file with its private key, which it proves itself with in place of a secret.',
    }),
    clientMetadataUrl: parsed(text(), parseClientMetadataUrl).optional().meta({
      description: 'An https URL that serves as client id: a Client ID Metadata Document.',
    }),
    scope: stringOrList().optional().meta({ description: 'Asked for in place of what the server names.' }),
    resource: parsed(
      z.union([z.literal(false), z.string()], { error: 'must be a string or false' }),
      parseResource,
    )
      .optional()
      .meta({
        description:
          "The resource that tokens are asked for, exactly as written; without it the server's own; false: none.",
      }),
    issuer: parsed(text(), parseIssuer).optional().meta({
      description:
        'The issuer that is accepted, although the metadata is found under another name; it picks the authorization server, and a client secret or private key is sent to no other.',
    }),
    audience: text().optional().meta({
      description: 'The audience that tokens are asked for, where the authorization server wants one.',
    }),
    assumePkce: flag().optional().meta({
      description: 'Sign in although the authorization server does not say that it supports PKCE.',
      default: false,
    }),
    browser: flag().optional().meta({
      description: 'Open a browser; false only prints the URL.',
      default: true,
    }),
    callbackHost: parsed(text(), parseCallbackHost).optional().meta({
      description: 'The loopback address, or localhost, that the browser comes back to.',
      default: '127.0.0.1',
    }),
    callbackPort: integer(1, 65_535).optional().meta({
      description: 'The port that the browser comes back to; without it a free one.',
    }),
    timeout: duration().optional().meta({
      description: 'How long the user may take; a number is milliseconds.',
      default: '5m',
    }),
  })
  .meta({ description: 'How its authorization is obtained (OAuth); false: not at all.' });

/** A server's keys that only a URL can have. */
export const remoteKeys = {
  url: text().optional().meta({ description: 'The URL of a remote server.' }),
  headers: record('HTTP headers for a remote server.'),
  headersFile: text().optional().meta({
    description: 'A file with more of them, one "Name: value" a line; headers wins.',
  }),
  allowHttp: flag().optional().meta({
    description: 'Let the URL be http although its host is not this machine.',
    default: false,
  }),
  caFile: text().optional().meta({
    description: 'A PEM file with authorities to trust besides the usual ones, for a remote server.',
  }),
  certFile: text().optional().meta({ description: 'A PEM file with the certificate that we show to it.' }),
  keyFile: text().optional().meta({ description: 'A PEM file with the key of that certificate.' }),
  oauth: z
    .union([z.literal(false), oauthSchema], { error: 'must be an object or false' })
    .optional()
    .meta({ description: 'How its authorization is obtained (OAuth); false: not at all.' }),
};

/** The same on the command line, for a URL there and for the remote servers of a manifest. */
export const remoteLaunchOptions = {
  transport: launch('enum', choice(REMOTE_TRANSPORTS), {
    flag: '--transport <transport>',
    commands: COMMANDS,
    env: 'MCP_RUN_TRANSPORT',
    group: GROUP,
    default: 'auto',
    description: 'What the server at the URL speaks: Streamable HTTP, HTTP+SSE, or auto, which finds out',
  }),
  header: launch('list', list(), {
    flag: '--header <line>',
    commands: COMMANDS,
    env: null,
    group: GROUP,
    description:
      "Send this header, 'Name: value', with every request; ${VAR} takes a value from the environment; repeatable",
  }),
  headerFile: launch('list', list(), {
    flag: '--header-file <file>',
    commands: COMMANDS,
    env: 'MCP_RUN_HEADER_FILE',
    group: GROUP,
    description: 'Send the headers in this file, one a line; repeatable',
  }),
  allowHttp: launch('boolean', flag(), {
    flag: '--allow-http',
    commands: CREDENTIALS,
    env: 'MCP_RUN_ALLOW_HTTP',
    group: GROUP,
    default: false,
    description: 'Let the URL be http although its host is not this machine',
  }),
  caFile: launch('string', text(), {
    flag: '--ca-file <file>',
    commands: CREDENTIALS,
    env: 'MCP_RUN_CA_FILE',
    group: GROUP,
    description: 'Trust the authorities in this PEM file, too',
  }),
  certFile: launch('string', text(), {
    flag: '--cert-file <file>',
    commands: COMMANDS,
    env: 'MCP_RUN_CERT_FILE',
    group: GROUP,
    description: 'Show the server the certificate in this PEM file',
  }),
  keyFile: launch('string', text(), {
    flag: '--key-file <file>',
    commands: COMMANDS,
    env: 'MCP_RUN_KEY_FILE',
    group: GROUP,
    description: 'The PEM file with the key of that certificate',
  }),
  oauthGrant: launch('enum', choice(OAUTH_GRANTS), {
    flag: '--oauth-grant <grant>',
    commands: COMMANDS,
    env: 'MCP_RUN_OAUTH_GRANT',
    group: GROUP,
    default: 'authorization-code',
    description: "Sign in with a user's consent in a browser, or as a client that needs nobody",
  }),
  oauthClientId: launch('string', text(), {
    flag: '--oauth-client-id <id>',
    commands: CREDENTIALS,
    env: 'MCP_RUN_OAUTH_CLIENT_ID',
    group: GROUP,
    description: 'A client that is registered already',
  }),
  oauthClientSecret: launch('string', text(), {
    flag: null,
    env: 'MCP_RUN_OAUTH_CLIENT_SECRET',
    group: GROUP,
    description: 'Its secret; no flag, because arguments are public on a machine',
  }),
  oauthClientSecretFile: launch('string', text(), {
    flag: '--oauth-client-secret-file <file>',
    commands: CREDENTIALS,
    env: 'MCP_RUN_OAUTH_CLIENT_SECRET_FILE',
    group: GROUP,
    description: 'A file with its secret',
  }),
  oauthPrivateKeyFile: launch('string', text(), {
    flag: '--oauth-private-key-file <file>',
    commands: CREDENTIALS,
    env: 'MCP_RUN_OAUTH_PRIVATE_KEY_FILE',
    group: GROUP,
    description: 'A PEM file with its private key, in place of a secret',
  }),
  oauthClientMetadataUrl: launch('string', text(), {
    flag: '--oauth-client-metadata-url <url>',
    commands: COMMANDS,
    env: 'MCP_RUN_OAUTH_CLIENT_METADATA_URL',
    group: GROUP,
    description: 'An https URL that serves as client id: a Client ID Metadata Document',
  }),
  oauthScope: launch('string', text(), {
    flag: '--oauth-scope <scopes>',
    commands: COMMANDS,
    env: 'MCP_RUN_OAUTH_SCOPE',
    group: GROUP,
    description: 'Ask for these scopes, separated by spaces, in place of what the server names',
  }),
  oauthResource: launch('string', text(), {
    flag: '--oauth-resource <uri>',
    commands: COMMANDS,
    env: 'MCP_RUN_OAUTH_RESOURCE',
    group: GROUP,
    description:
      "Ask for tokens for this resource, exactly as written; without it the server's own; none: for none",
  }),
  oauthIssuer: launch('string', text(), {
    flag: '--oauth-issuer <url>',
    commands: COMMANDS,
    env: 'MCP_RUN_OAUTH_ISSUER',
    group: GROUP,
    description: 'Accepted issuer, also under another name; a client secret goes to no other',
  }),
  oauthAudience: launch('string', text(), {
    flag: '--oauth-audience <audience>',
    commands: COMMANDS,
    env: 'MCP_RUN_OAUTH_AUDIENCE',
    group: GROUP,
    description: 'Audience of the tokens, where the authorization server wants one',
  }),
  oauthAssumePkce: launch('boolean', flag(), {
    flag: '--oauth-assume-pkce',
    commands: COMMANDS,
    env: 'MCP_RUN_OAUTH_ASSUME_PKCE',
    group: GROUP,
    default: false,
    description: 'Sign in where the metadata does not mention support for PKCE',
  }),
  callbackHost: launch('string', text(), {
    flag: '--callback-host <address>',
    commands: COMMANDS,
    env: 'MCP_RUN_CALLBACK_HOST',
    group: GROUP,
    default: '127.0.0.1',
    description: 'The loopback address, or localhost, that the browser comes back to',
  }),
  callbackPort: launch('integer', integer(1, 65_535), {
    flag: '--callback-port <number>',
    commands: COMMANDS,
    env: 'MCP_RUN_CALLBACK_PORT',
    group: GROUP,
    min: 1,
    max: 65_535,
    description: 'The port that the browser comes back to; without it a free one',
  }),
  authTimeout: launch('duration', duration(), {
    flag: '--auth-timeout <duration>',
    commands: COMMANDS,
    env: 'MCP_RUN_AUTH_TIMEOUT',
    group: GROUP,
    default: '5m',
    description: 'How long the user may take to sign in',
  }),
  browser: launch('boolean', flag(), {
    flag: '--no-browser',
    commands: COMMANDS,
    env: 'MCP_RUN_NO_BROWSER',
    group: GROUP,
    description: 'Open no browser to sign in, print the URL only',
  }),
  oauth: launch('boolean', flag(), {
    flag: '--no-oauth',
    commands: COMMANDS,
    env: 'MCP_RUN_NO_OAUTH',
    group: GROUP,
    description: 'Do not sign in: a server that asks for it is refused',
  }),
  configDir: launch('string', text(), {
    flag: null,
    env: 'MCP_RUN_CONFIG_DIR',
    group: GROUP,
    description: "Where tokens are kept, in place of mcp-run's folder among the user's settings",
  }),
};
