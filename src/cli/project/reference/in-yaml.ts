import { type YamlForm, yamlForms } from '../../../resource/option/yaml-form.ts'
import type { Declarable } from '../../../role/yaml/entries.ts'
import { projectOptions, sourceOption } from '../../../role/yaml/project-source.ts'
import { keysAt, registeredAt } from '../../../site/schema/schema-at.ts'
import { type InYaml, type OptionNode, optionTree } from './option-tree.ts'

/** Returns the options of a kind as YAML writes them. */
export const kindOptions = (kind: Declarable): readonly OptionNode[] => optionTree(kind.schema, inYaml(kind))

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
