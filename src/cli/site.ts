import { distinctProblems, lineOf, type Problem } from '../problem.ts'
import { hanging } from '../report/text.ts'
import { findRoles } from '../role/discover.ts'
import { buildSite } from '../site/build.ts'
import type { Host } from '../site/inventory/host.ts'
import { matchPattern } from '../site/inventory/pattern.ts'
import { readProject } from '../site/read.ts'
import type { Site } from '../site/site.ts'
import type { Surroundings } from './command.ts'

/** The hosts of a project as its inventory says; playbooks are left alone, for commands that need none. */
export const loadHosts = async (inventory: string | undefined, surroundings: Surroundings): Promise<Site> => {
  const { directory, env } = surroundings
  const raw = await readProject({ root: directory, env, playbooks: [], ...(inventory === undefined ? {} : { inventory }) })
  const site = buildSite(raw, { knownRoles: [...findRoles(directory).keys()] })
  warn(site.warnings, surroundings)
  return site
}

/** Tells what is no fault, beside whatever the command was asked for; each once. */
export const warn = (warnings: readonly Problem[], { err, view: { paint } }: Surroundings): void => {
  for (const warning of distinctProblems(warnings)) err(`${paint.yellow('!')} ${hanging(lineOf(warning))}\n`)
}

/** The hosts that a pattern names; one that names none is an input error. */
export const hostsOf = (site: Site, pattern: string, command: string): readonly Host[] =>
  matchPattern(site, pattern, { command: `provision ${command}` }).flatMap((name) => site.hosts.get(name) ?? [])
