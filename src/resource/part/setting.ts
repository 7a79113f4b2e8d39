import { defineKind } from '../kind/kind.ts'
import { partMembers } from './members.ts'
import { schema, settingId } from './setting-spec.ts'

/** One setting of a configuration file that others own too: `key = value`. */
export const setting = defineKind({
  name: 'setting',
  summary: 'setting of a configuration file that others change too',
  schema,
  ...partMembers('setting', settingId),
})
