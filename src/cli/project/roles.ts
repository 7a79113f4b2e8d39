import { kindsOf } from '../../engine/prepare.ts'
import { findRoles } from '../../role/discover.ts'
import { shownText } from '../../shown-name.ts'
import { suggestion } from '../../site/source/suggest.ts'
import { defineCommand } from '../command.ts'
import { usageError } from '../parse.ts'
import { originOf, rolesIn } from './listed-roles.ts'
import { namedIn, optionsFor } from './reference/named.ts'
import { heading, nameList, optionPage } from './reference/option-page.ts'
import { optionTree } from './reference/option-tree.ts'

/** `provision roles`: lists what a play can bind, or the options of one role, or one option. */
export const command = defineCommand({
  usage: ['roles [NAME[.OPTION]]'],
  options: {},
  maxPositionals: 1,
  notes: [
    'Lists the roles of the project, of the packages that it depends on, and of provision. With a name, prints the options of the role; with nginx.sites.app, this option and those below it. [] is an entry of a list, * a key of a map.',
  ],
  run: async ({ positionals: [text] }, { directory, out, view }) => {
    const files = findRoles(directory)
    const roles = await rolesIn(directory, await kindsOf(directory))
    const origin = (name: string): string => {
      const file = files.get(name)
      return file === undefined ? 'provision' : originOf(directory, file)
    }
    if (text === undefined) {
      const entries = [...roles].map(([name, { summary }]) => [name, withOrigin(summary, origin(name))] as const)
      out(nameList(entries, view))
      return 0
    }
    const named = namedIn(roles, text)
    if (named === undefined)
      throw usageError(
        'roles',
        `unknown role ${shownText(text)}`,
        suggestion(text.split('.')[0] ?? '', roles.keys(), 'run provision roles'),
      )
    const { name, one, path } = named
    const options = optionsFor('roles', named, optionTree(one.options))
    out(`${path === '' ? heading(name, withOrigin(one.summary, origin(name)), view) : ''}${optionPage(options, view)}`)
    return 0
  },
})

/** Names the origin of everything that is not a part of provision. */
const withOrigin = (summary: string, origin: string): string => (origin === 'provision' ? summary : `${summary} (${origin})`)
