import { editorSchema, SCHEMAS } from '../../engine/editor-schema.ts'
import { kindsOf } from '../../engine/prepare.ts'
import { jsonLine } from '../../report/json-line.ts'
import { suggestion } from '../../site/source/suggest.ts'
import { defineCommand } from '../command.ts'
import { usageError } from '../parse.ts'
import { rolesIn } from './listed-roles.ts'

/** `provision schema`: prints a JSON Schema for an editor. */
export const command = defineCommand({
  usage: [`schema ${SCHEMAS.join(' | ')}`],
  options: {},
  maxPositionals: 1,
  notes: [
    'Write it to a file, and name that in the first line of a YAML file: # yaml-language-server: $schema=../.provision/playbook.json',
    'It has the roles and kinds of the project. Print it again when they change.',
  ],
  run: async ({ positionals: [name] }, { directory, out }) => {
    const file = SCHEMAS.find((one) => one === name)
    if (file === undefined)
      throw usageError(
        'schema',
        name === undefined ? 'no file is given' : `unknown file ${name}`,
        suggestion(name ?? '', SCHEMAS, 'name a kind of file'),
      )
    const kinds = await kindsOf(directory)
    const roles = await rolesIn(directory, kinds)
    out(jsonLine(editorSchema(file, { roles, kinds })))
    return 0
  },
})
