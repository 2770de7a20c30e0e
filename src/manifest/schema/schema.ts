import { z } from 'zod';
import { serveSchema } from './serve-schema.ts';
import { serverSchema } from './server-schema.ts';
import { choice, flag, text } from './schema-parts.ts';

/**
 * The manifest's one description. Types, flags, variables, the JSON Schema and the tables in the docs are derived from
 * it and its parts; `scripts/generate.js` writes what is not a type.
 */

/** One entry of VS Code's `inputs`. */
export const inputSchema = z.looseObject({
  type: choice(['promptString', 'pickString', 'command']).meta({
    description: 'How the value is asked for.',
  }),
  id: text().meta({
    description: 'The name in ${input:…}; the variable MCP_RUN_INPUT_<ID> holds the value.',
  }),
  description: text().optional().meta({ description: 'What is asked for.' }),
  default: text().optional().meta({ description: 'The value when none is given.' }),
  password: flag().optional().meta({ description: 'Do not show what is typed.' }),
  options: z
    .array(z.union([text(), z.looseObject({ value: text() })]), { error: 'must be an array of strings' })
    .optional()
    .meta({ description: 'The values to choose from.' }),
});

/** A whole file. */
export const manifestSchema = z
  .looseObject({
    mcpServers: z.record(z.string(), serverSchema).optional().meta({ description: 'Servers by name.' }),
    servers: z
      .record(z.string(), serverSchema)
      .optional()
      .meta({ description: "Servers by name, in VS Code's format." }),
    inputs: z.array(inputSchema).optional().meta({ description: 'Values that ${input:id} stands for.' }),
    serve: serveSchema.optional(),
  })
  .meta({ title: 'mcp-run manifest', description: 'MCP servers, and how mcp-run serves them.' });

export type InputEntry = z.output<typeof inputSchema>;
