import { z } from 'zod'

export const schema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?$/, 'must be a Debian package name: lower-case letters, digits, plus, minus and dots'),
  state: z.enum(['present', 'absent']).default('present'),
  version: z
    .string()
    .regex(/^[0-9][A-Za-z0-9.+~:-]*$/, 'must be a complete Debian version such as 1.22.1-9')
    .optional(),
  cacheHours: z.number().nonnegative().default(24).meta({ description: "maximum age of the host's package lists, in hours" }),
})

export type PackageSpec = z.output<typeof schema>
