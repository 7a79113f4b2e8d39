import { findRoles } from '../role/discover.ts'
import { buildSite } from '../site/build.ts'
import { matchPattern } from '../site/pattern.ts'
import { readProject } from '../site/read.ts'
import type { Host, Site } from '../site/site.ts'
import type { Surroundings } from './command.ts'

/** The hosts of a project as its inventory says; playbooks are left alone, for commands that need none. */
export const loadHosts = async (inventory: string | undefined, { directory, env }: Surroundings): Promise<Site> => {
  const raw = await readProject({ root: directory, env, playbooks: [], ...(inventory === undefined ? {} : { inventory }) })
  return buildSite(raw, { knownRoles: [...findRoles(directory).keys()] })
}

/** The hosts that a pattern names; one that names none is an input error. */
export const hostsOf = (site: Site, pattern: string, command: string): readonly Host[] =>
  matchPattern(site, pattern, { command: `provision ${command}` }).flatMap((name) => site.hosts.get(name) ?? [])
