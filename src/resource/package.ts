import { z } from 'zod'
import { defineKind, type Steps } from './kind.ts'

/** A Debian package. Installing it starts no service of its own: `service` does, on our configuration. */
export const pkg = defineKind({
  name: 'package',
  schema: z.strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?$/, 'a Debian package name has lower-case letters, digits, plus, minus and dots'),
    state: z.enum(['present', 'absent']).default('present'),
    version: z
      .string()
      .regex(/^[0-9][A-Za-z0-9.+~:-]*$/, 'write the whole Debian version: 1.22.1-9')
      .optional(),
    cacheHours: z
      .number()
      .nonnegative()
      .default(24)
      .meta({ description: "how old the host's package lists may be before they are fetched again" }),
  }),
  id: ({ name }) => name,
  observe: (_specs) => ({ script: ':', parse: (): ReadonlyMap<string, never> => new Map() }),
  plan: () => undefined,
  *apply(_work): Steps {},
})
