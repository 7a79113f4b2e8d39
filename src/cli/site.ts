import { buildSite } from '../site/build.ts'
import { matchPattern } from '../site/pattern.ts'
import { readProject } from '../site/read.ts'
import type { Host, Site } from '../site/site.ts'
import type { Surroundings } from './command.ts'

/** The hosts of a project as its inventory says; playbooks and roles are left alone, for commands that need neither. */
export const loadHosts = async (inventory: string | undefined, { directory, env }: Surroundings): Promise<Site> =>
  buildSite(await readProject({ root: directory, env, playbooks: [], ...(inventory === undefined ? {} : { inventory }) }), {
    knownRoles: [],
  })

/** The hosts that a pattern names; one that names none is an input error. */
export const hostsOf = (site: Site, pattern: string, command: string): readonly Host[] =>
  matchPattern(site, pattern, { command: `provision ${command}` }).flatMap((name) => site.hosts.get(name) ?? [])
