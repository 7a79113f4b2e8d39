import { z } from 'zod'
import type { Problem } from '../../problem.ts'
import type { RoleUse, Site } from '../../site/site.ts'
import { withoutFacts } from '../no-facts.ts'
import type { Role } from '../role.ts'
import { declare, misspeltIn } from './declare.ts'
import { entriesIn, type Kinds } from './entries.ts'
import { publishedBy } from './published.ts'
import { KNOWN, scopeOf } from './scopes.ts'

/** Returns the resources that a play lists as a role with the name of the play. Adds problems that are visible without a host. */
export const playRole = (
  use: RoleUse & { readonly resources: NonNullable<RoleUse['resources']> },
  site: Site,
  given: { readonly kinds: Kinds; readonly problems: Problem[] },
): Role => {
  const before = given.problems.length
  const entries = entriesIn(use.resources, { ...given, names: KNOWN })
  // Nothing is declared where an entry is wrong, so its neighbours are checked now.
  if (given.problems.length > before) given.problems.push(...misspeltIn(entries))
  return {
    name: use.name,
    summary: 'resources of a play',
    options: z.unknown(),
    listens: (context) => publishedBy(entries, scopeOf(withoutFacts(context), site)),
    resources: (context) => declare(entries, scopeOf(context, site), { files: context.files }),
  }
}
