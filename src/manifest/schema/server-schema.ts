import { z } from 'zod';
import { ATTRIBUTIONS, CAPABILITIES, ERA_SETTINGS, ISOLATIONS, STDOUT_MODES } from '../../config/types.ts';
import { remoteKeys, TYPES } from './remote-schema.ts';
import {
  choice,
  duration,
  entryTimeout,
  flag,
  integer,
  record,
  scalar,
  serverOption,
  stringOrList,
  text,
  toolRestriction,
} from './schema-parts.ts';

/** One server. Keys that it does not name are kept and warned about: other tools share the file. */
export const serverSchema = z
  .looseObject({
    type: choice(TYPES)
      .optional()
      .meta({ description: 'How the server is reached; inferred from command or url, which means auto.' }),
    transport: choice(TYPES).optional().meta({ description: 'Another name for type.' }),
    transportType: choice(TYPES).optional().meta({ description: 'Another name for type.' }),
    command: text().optional().meta({ description: 'The program to start. Never run through a shell.' }),
    args: z
      .array(scalar(), { error: 'must be an array of strings' })
      .optional()
      .meta({ description: 'Its arguments.' }),
    ...remoteKeys,
    cwd: text().optional().meta({
      description: "The directory to start it in, relative to the manifest's folder; that folder without it.",
    }),
    env: record('Variables to set for it.'),
    envFile: stringOrList()
      .optional()
      .meta({ description: 'Files of NAME=VALUE lines to set for it; env wins.' }),
    passEnv: stringOrList()
      .optional()
      .meta({ description: 'Variables of our own to pass on: NAME, PREFIX_* or * for all.' }),
    timeout: serverOption('duration', entryTimeout(), {
      name: 'requestTimeout',
      description:
        'serve.requestTimeout for this server; a number below 1000 is seconds, any other is milliseconds.',
    }),
    isolation: serverOption('enum', choice(ISOLATIONS), { description: 'serve.isolation for this server.' }),
    era: serverOption('enum', choice(ERA_SETTINGS), { description: 'serve.era for this server.' }),
    protocolEra: serverOption('enum', choice(ERA_SETTINGS), {
      name: 'era',
      description: 'Another name for era.',
    }),
    inputTtl: serverOption('duration', duration(), { description: 'serve.inputTtl for this server.' }),
    attribution: serverOption('enum', choice(ATTRIBUTIONS), {
      description:
        'Which call of a client of 2026-07-28 a question of the server belongs to: the newest that runs, or exactly the one that runs (exact: one at a time).',
      default: 'concurrent',
    }),
    warm: serverOption('integer', integer(0, 32), {
      description:
        'Processes kept ready for clients of 2026-07-28, in front of a server of an older revision.',
      default: 0,
    }),
    disabled: flag().optional().meta({ description: 'Leave this server out.', default: false }),
    enabled: flag().optional().meta({ description: 'false leaves this server out.', default: true }),
    allow: serverOption('list', z.array(choice(CAPABILITIES), { error: 'must be an array' }), {
      default: [],
      description: 'Client capabilities to pass on although network clients are not trusted with them.',
    }),
    tools: toolRestriction().optional().meta({
      description:
        'The tools that clients see and call: an array of names, or an object with allow and deny; * stands for any text.',
    }),
    ignoreTools: stringOrList().optional().meta({ description: 'Another name for tools.deny.' }),
    includeTools: stringOrList().optional().meta({ description: 'Another name for tools.allow.' }),
    enabledTools: stringOrList().optional().meta({ description: 'Another name for tools.allow.' }),
    excludeTools: stringOrList().optional().meta({ description: 'Another name for tools.deny.' }),
    disabledTools: stringOrList().optional().meta({ description: 'Another name for tools.deny.' }),
    stdout: serverOption('enum', choice(STDOUT_MODES), {
      description:
        'Lines on its stdout that are not MCP messages: skip and count them, or end the server (strict).',
      default: 'skip',
    }),
  })
  .meta({ description: 'One MCP server.' });

export type ServerEntry = z.output<typeof serverSchema>;
