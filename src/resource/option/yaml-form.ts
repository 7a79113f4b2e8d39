import { z } from 'zod'

/**
 * What YAML has in place of a value that it cannot express. `content`: text, or `source`, a file of the project. `files`: `source`, a
 * directory of the project. `resources`: a list of keys of earlier resources, such as `file:/etc/motd`.
 */
export interface YamlForm {
  readonly form: 'content' | 'files' | 'resources'
}

/** Options that YAML writes in another form. Every other option is written as its schema describes it. */
export const yamlForms = z.registry<YamlForm>()
