import { globSync } from 'node:fs'
import { kindsOf } from '../../engine/prepare.ts'
import { problemsIn } from '../../problem.ts'
import type { CommandContext } from '../command.ts'
import { rolesIn } from '../project/listed-roles.ts'
import { loadHosts } from '../site.ts'
import type { Candidate, Names } from './candidates.ts'

/** Returns the names of the project in the working directory. A project with errors has none: completion reports nothing. */
export const projectNames = (context: CommandContext, inventory: string | undefined): Omit<Names, 'commands'> => {
  const { directory } = context
  const site = () => loadHosts(inventory, { ...context, err: () => undefined })
  const hosts = async () => [...(await site()).hosts].map(([word, { groups }]) => ({ word, text: groups.join(' ') }))
  return {
    hosts: quiet(hosts),
    patterns: quiet(async () => {
      const { hosts: all, groups } = await site()
      return [
        ...(await hosts()),
        ...[...groups].map(([word, { length }]) => ({ word, text: `group of ${length}` })),
        { word: 'all', text: `all ${all.size} hosts` },
      ]
    }),
    roles: quiet(async () =>
      [...(await rolesIn(directory, await kindsOf(directory)))].map(([word, { summary }]) => ({ word, text: summary })),
    ),
    kinds: quiet(async () => [...(await kindsOf(directory))].map(([word, { summary = '' }]) => ({ word, text: summary }))),
    playbooks: quiet(async () => globSync('playbooks/*.{yaml,yml}', { cwd: directory }).map((word) => ({ word, text: '' }))),
  }
}

const quiet = (read: () => Promise<readonly Candidate[]>) => (): Promise<readonly Candidate[]> =>
  read().catch((error: unknown) => {
    if (problemsIn(error) === undefined) throw error
    return []
  })
