import { z } from 'zod';
import { optionRegistry, serverOptionRegistry } from './schema-parts.ts';
import { manifestSchema } from './schema.ts';

/** The manifest as JSON Schema, draft 7: the newest that editors understand throughout. */
export function manifestJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(manifestSchema, {
    io: 'input',
    target: 'draft-7',
    override({ zodSchema, jsonSchema }) {
      // Where a value is transformed the default is not carried over: it is one of the input, as people write it.
      if (!(zodSchema instanceof z.ZodType)) return;
      const meta = optionRegistry.get(zodSchema) ?? serverOptionRegistry.get(zodSchema);
      const fallback = meta?.default;
      if (fallback !== undefined)
        jsonSchema.default = typeof fallback === 'object' ? [...fallback] : fallback;
    },
  });
  return { ...schema };
}
