import type { KindQuery } from '../resource/kind/kind.ts'
import { pathQueries } from '../resource/kind/path-queries.ts'
import { mergeQueries, unitQuery } from '../resource/kind/queries.ts'

/** The script of an observation of these resources alone, with the shared queries that it asks for. */
export const scriptOf = ({ shared, script }: KindQuery<unknown>): string => {
  const asked = mergeQueries([shared])
  const { inodes, digests, texts } = pathQueries(asked)
  return [inodes, digests, texts, unitQuery(asked.units), { script }].map((one) => one.script).join('\n')
}
