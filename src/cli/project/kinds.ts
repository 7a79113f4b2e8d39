import { kindsOf } from '../../engine/prepare.ts'
import { shippedKinds } from '../../engine/shipped-kinds.ts'
import { findPackages } from '../../role/package/packages.ts'
import { ansibleKind } from '../../role/yaml/ansible/modules.ts'
import { shownText } from '../../shown-name.ts'
import { suggestion } from '../../site/source/suggest.ts'
import { defineCommand } from '../command.ts'
import { usageError } from '../parse.ts'
import { kindOptions } from './reference/in-yaml.ts'
import { namedIn, optionsFor } from './reference/named.ts'
import { heading, nameList, optionPage } from './reference/option-page.ts'

/** `provision kinds`: lists the kinds of resources, or the options of one, or one option. */
export const command = defineCommand({
  usage: ['kinds [NAME[.OPTION]]'],
  options: {},
  maxPositionals: 1,
  notes: [
    'Lists the kinds of the project, of the packages that it depends on, and of provision. With a name, prints the options of the kind; with cron.jobs, this option and those below it. [] is an entry of a list, * a key of a map.',
  ],
  run: async ({ positionals: [text] }, { directory, out, view }) => {
    const kinds = await kindsOf(directory)
    const origins = await originsIn(directory)
    const described = (name: string): string => {
      const origin = origins.get(name) ?? 'project'
      const summary = kinds.get(name)?.summary ?? 'kind of resource'
      return origin === 'provision' ? summary : `${summary} (${origin})`
    }
    if (text === undefined) {
      const names = [...kinds.keys()].toSorted()
      out(
        nameList(
          names.map((name) => [name, described(name)]),
          view,
        ),
      )
      return 0
    }
    const named = namedIn(kinds, text)
    if (named === undefined) {
      const [name = ''] = text.split('.')
      const fix = ansibleKind(text, kinds) ?? suggestion(name, kinds.keys(), 'run provision kinds')
      throw usageError('kinds', `unknown kind ${shownText(text)}`, fix)
    }
    const { name, one, path } = named
    const options = optionsFor('kinds', named, kindOptions(one))
    out(`${path === '' ? heading(name, described(name), view) : ''}${optionPage(options, view)}`)
    return 0
  },
})

/** Where the kinds that are not of the project come from. */
const originsIn = async (root: string): Promise<ReadonlyMap<string, string>> => {
  const packaged = findPackages(root).flatMap(({ name, version, kinds }) =>
    [...kinds.keys()].map((kind) => [kind, `${name} ${version}`.trim()] as const),
  )
  return new Map([...[...(await shippedKinds()).keys()].map((kind) => [kind, 'provision'] as const), ...packaged])
}
