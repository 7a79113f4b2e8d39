import { z } from 'zod'
import { file } from '../file/file.ts'
import { link } from '../file/link.ts'
import type { Resource } from '../kind/kind.ts'
import { pkg } from '../package/package.ts'

const isZone = (name: string): boolean => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

const schema = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_+/-]*$/, 'must be a time zone such as Europe/Berlin')
  .refine(isZone, 'must be a time zone of the IANA database, such as Europe/Berlin or Etc/UTC')

/** The time zone of a host: its link, its name, and the package with all zones. Services use a new zone when they start again. */
export const timezone = (name: string): readonly Resource[] => {
  const zone = schema.parse(name)
  return [
    pkg({ name: 'tzdata' }),
    link({ path: '/etc/localtime', target: `/usr/share/zoneinfo/${zone}` }),
    file({ path: '/etc/timezone', content: `${zone}\n` }),
  ]
}
