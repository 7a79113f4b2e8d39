import type { Resource } from '../../resource/kind/kind.ts'
import { directoriesAbove } from '../../resource/kind/path-queries.ts'

/** The entry of an observation with the directories that resources need, and all above them. It cannot be a resource: it has no colon. */
export const DIRECTORIES = 'directories'

/** The entry of an observation with the paths in directories where root is not alone, also those that a link of root leads to. */
export const OTHERS = 'others'

/** All directories that a resource needs, with those above them. */
export const directoriesOf = ({ kind, spec }: Resource): readonly string[] =>
  (kind.directories?.(spec) ?? []).filter((path) => path !== '/').flatMap((path) => [...directoriesAbove(path), path])
