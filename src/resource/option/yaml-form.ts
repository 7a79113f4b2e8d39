import { z } from 'zod'

/**
 * What YAML has in place of a value that it cannot express.
 * - `content`: text with secrets, or `{ source: PATH }`, a file of the project. For the option `content`, `source` can also be beside it.
 * - `local`: `{ source: PATH }`, a file of the project, also beside it for the option `content`. It is no text, and no template.
 * - `file`: the same, with text as it is.
 * - `files`: filled by `source`, a directory of the project.
 * - `resources`: keys of earlier resources, such as `file:/etc/motd`: a list of them, or one.
 * - `script`: the text of a shell script.
 */
export interface YamlForm {
  readonly form: 'content' | 'local' | 'file' | 'files' | 'resources' | 'script'
}

/** Options that YAML writes in another form. Every other option is written as its schema describes it. */
export const yamlForms = z.registry<YamlForm>()
