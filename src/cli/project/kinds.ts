import { kindsOf } from '../../engine/prepare.ts'
import { shippedKinds } from '../../engine/shipped-kinds.ts'
import { table } from '../../report/table.ts'
import { type YamlForm, yamlForms } from '../../resource/option/yaml-form.ts'
import { findPackages } from '../../role/package/packages.ts'
import { ansibleKind } from '../../role/yaml/ansible/modules.ts'
import type { Declarable } from '../../role/yaml/entries.ts'
import { projectOptions, sourceOption } from '../../role/yaml/project-source.ts'
import { shownText } from '../../shown-name.ts'
import { keysAt, registeredAt } from '../../site/schema/schema-at.ts'
import { suggestion } from '../../site/source/suggest.ts'
import { defineCommand } from '../command.ts'
import { usageError } from '../parse.ts'
import { heading, type InYaml, optionsPage } from './options-page.ts'

/** `provision kinds`: lists the kinds of resources, or the options of one. */
export const command = defineCommand({
  usage: ['kinds [NAME]'],
  options: {},
  maxPositionals: 1,
  notes: [
    'Lists the kinds of the project, of the packages that it depends on, and of provision. With a name, prints the options of the kind.',
  ],
  run: async ({ positionals: [name] }, { directory, out, view }) => {
    const kinds = await kindsOf(directory)
    const origins = await originsIn(directory)
    if (name === undefined) {
      const rows = [...kinds.keys()].toSorted().map((one) => [one, origins.get(one) ?? 'project'])
      out(table(['KIND', 'ORIGIN'], rows, view.paint))
      return 0
    }
    const kind = kinds.get(name)
    if (kind === undefined)
      throw usageError(
        'kinds',
        `unknown kind ${shownText(name)}`,
        ansibleKind(name, kinds) ?? suggestion(name, kinds.keys(), 'run provision kinds'),
      )
    out(`${heading(name, `kind of ${origins.get(name) ?? 'the project'}`, view)}${optionsPage(kind.schema, view, inYaml(kind))}`)
    return 0
  },
})

/** The options that name files of the project (`source`, `template` and `values`), and the types of options that YAML writes differently. */
const inYaml = (kind: Declarable): InYaml => {
  const after = sourceOption(kind)?.option ?? ''
  const further = Object.entries(projectOptions(kind)).map(([name, description]) => ({
    ...{ name, after, description },
    type: name === 'values' ? 'map' : 'text',
  }))
  const types = keysAt(kind.schema, []).flatMap((key) => {
    const form = registeredAt(kind.schema, [key], yamlForms)?.form
    return form === undefined ? [] : [[key, FORMS[form]] as const]
  })
  return { further, types: new Map(types) }
}

const FORMS: Readonly<Record<YamlForm['form'], string>> = {
  content: 'text | { source } | { template }',
  file: 'text | { source } | { template }',
  local: '{ source }',
  files: '{ source }',
  resources: 'list of KIND:IDENTITY',
  script: 'text',
}

/** Where the kinds that are not of the project come from. */
const originsIn = async (root: string): Promise<ReadonlyMap<string, string>> => {
  const packaged = findPackages(root).flatMap(({ name, version, kinds }) =>
    [...kinds.keys()].map((kind) => [kind, `${name} ${version}`.trim()] as const),
  )
  return new Map([...[...(await shippedKinds()).keys()].map((kind) => [kind, 'provision'] as const), ...packaged])
}
