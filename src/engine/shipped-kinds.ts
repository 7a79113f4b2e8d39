import { declarableIn } from '../role/kinds.ts'
import type { Kinds } from '../role/yaml/entries.ts'

/** The kinds and composites of provision by name, as YAML uses them: those that role authors can import. */
export const shippedKinds = async (): Promise<Kinds> => new Map(declarableIn(await import('../index.ts')).map((one) => [one.name, one]))
