import { kindsOf } from '../../engine/prepare.ts'
import { table } from '../../report/table.ts'
import { findRoles } from '../../role/discover.ts'
import { shownText } from '../../shown-name.ts'
import { suggestion } from '../../site/source/suggest.ts'
import { defineCommand } from '../command.ts'
import { usageError } from '../parse.ts'
import { originOf, rolesIn } from './listed-roles.ts'
import { heading, optionsPage } from './options-page.ts'

/** `provision roles`: lists what a play can bind, or the options of one role. */
export const command = defineCommand({
  usage: ['roles [NAME]'],
  options: {},
  maxPositionals: 1,
  notes: [
    'Lists the roles of the project, of the packages that it depends on, and of provision. With a name, prints the options of the role.',
  ],
  run: async ({ positionals: [name] }, { directory, out, view }) => {
    const files = findRoles(directory)
    const roles = await rolesIn(directory, await kindsOf(directory))
    if (name === undefined) {
      const rows = [...roles].map(([one, { summary }]) => {
        const file = files.get(one)
        return [one, file === undefined ? '' : originOf(directory, file), summary]
      })
      out(table(['ROLE', 'ORIGIN', 'SUMMARY'], rows, view.paint))
      return 0
    }
    const role = roles.get(name)
    if (role === undefined)
      throw usageError('roles', `unknown role ${shownText(name)}`, suggestion(name, roles.keys(), 'run provision roles'))
    out(`${heading(name, role.summary, view)}${optionsPage(role.options, view)}`)
    return 0
  },
})
