import { z } from 'zod'
import { defineComposite } from '../composite.ts'
import { file } from '../file/file.ts'
import { link } from '../file/link.ts'
import { pkg } from '../package/package.ts'

const isZone = (name: string): boolean => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

const schema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9_+/-]*$/, 'must be a time zone such as Europe/Berlin')
    .refine(isZone, 'must be a time zone of the IANA database, such as Europe/Berlin or Etc/UTC')
    .meta({ description: 'time zone of the IANA database', examples: ['Europe/Berlin', 'Etc/UTC'] }),
})

/** The time zone of a host: its link, its name, and the package with all zones. Services use a new zone when they start again. */
export const timezone = defineComposite({
  name: 'timezone',
  schema,
  resources: ({ name }) => [
    pkg({ name: 'tzdata' }),
    link({ path: '/etc/localtime', target: `/usr/share/zoneinfo/${name}` }),
    file({ path: '/etc/timezone', content: `${name}\n` }),
  ],
})
