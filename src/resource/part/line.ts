import { defineKind } from '../kind/kind.ts'
import { lineId, schema } from './line-spec.ts'
import { partMembers } from './members.ts'

/** One line of a file that others own too: present, replaced or absent. */
export const line = defineKind({
  name: 'line',
  summary: 'line of a file that others change too',
  schema,
  ...partMembers('line', lineId),
})
