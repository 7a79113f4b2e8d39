import { defineKind } from '../kind/kind.ts'
import { blockId, schema } from './block-spec.ts'
import { partMembers } from './members.ts'

/** Lines between two markers, in a file that others own too. */
export const block = defineKind({
  name: 'block',
  summary: 'lines between two markers, in a file that others change too',
  schema,
  ...partMembers('block', blockId),
})
