import { distinctProblems, lineOf, type Problem } from '../problem.ts'
import { hanging } from '../report/text.ts'
import { findRoles } from '../role/discover.ts'
import { buildSite } from '../site/build.ts'
import type { Host } from '../site/inventory/host.ts'
import { matchPattern } from '../site/inventory/pattern.ts'
import { readProject } from '../site/read.ts'
import type { Site } from '../site/site.ts'
import type { CommandContext } from './command.ts'

/** Returns the site without its playbooks, for commands that need only hosts. */
export const loadHosts = async (inventory: string | undefined, context: CommandContext): Promise<Site> => {
  const { directory, env } = context
  const raw = await readProject({ root: directory, env, playbooks: [], ...(inventory === undefined ? {} : { inventory }) })
  const site = buildSite(raw, { knownRoles: [...findRoles(directory).keys()] })
  warn(site.warnings, context)
  return site
}

/** Prints warnings, each once. */
export const warn = (warnings: readonly Problem[], { err, view: { paint } }: CommandContext): void => {
  for (const warning of distinctProblems(warnings)) err(`${paint.yellow('!')} ${hanging(lineOf(warning))}\n`)
}

/** Returns the hosts that match a pattern. Throws a `Problem` if there are none. */
export const hostsOf = (site: Site, pattern: string, command: string): readonly Host[] =>
  matchPattern(site, pattern, { command: `provision ${command}` }).flatMap((name) => site.hosts.get(name) ?? [])
