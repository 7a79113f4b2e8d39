import { basename, join, resolve } from 'node:path'
import { writeWhole } from '../../disk/write.ts'
import { Problem } from '../../problem.ts'
import { isPackageName } from '../../role/package/packages.ts'
import { packageHome } from '../../role/package-home.ts'
import { shownText } from '../../shown-name.ts'
import { readText, statPath } from '../../site/read.ts'
import { defineCommand } from '../command.ts'
import { usageError } from '../parse.ts'
import { roleTemplate } from './role-template.ts'

/** `provision init role`: writes a package with a role, which can be published. */
export const command = defineCommand({
  usage: ['init role NAME [DIRECTORY]'],
  options: {},
  maxPositionals: 3,
  notes: [
    'Writes a package of npm with the role NAME, its test and its README into DIRECTORY (default: provision-NAME). The name of the directory is that of the package. No file is overwritten.',
  ],
  run: async ({ positionals: [what, role, given] }, { directory, err }) => {
    if (what !== 'role')
      throw usageError('init', what === undefined ? 'no subcommand is given' : `unknown subcommand ${what}`, 'run provision init role NAME')
    if (role === undefined) throw usageError('init role', 'no name is given', 'name the role: provision init role redis')
    if (!/^[a-z][a-z0-9-]{0,62}$/.test(role))
      throw usageError(
        'init role',
        `${shownText(role)} is not a valid name`,
        'start with a lower-case letter; use lower-case letters, digits and -',
      )
    const shown = given ?? `provision-${role}`
    const target = resolve(directory, shown)
    const name = basename(target)
    if (!isPackageName(name) || name !== name.toLowerCase())
      throw usageError(
        'init role',
        `${shownText(name)} is not a valid name of a package`,
        'name a directory in lower case: provision-redis',
      )
    const { version } = JSON.parse(readText(packageHome(), 'package.json')) as { version: string }
    const files = Object.entries(roleTemplate({ name, role, version }))
    const existing = files.map(([path]) => path).filter((path) => statPath(target, path) !== undefined)
    if (existing.length > 0)
      throw new Problem({
        class: 'input',
        where: { file: join(shown, existing[0] ?? '') },
        what: 'file exists',
        why: 'init overwrites no file',
        fix: 'name another directory, or move the file away',
      })
    for (const [path, text] of files)
      writeWhole(join(target, path), text, { mode: 0o644, directory: 0o755, onlyNew: true, shown: join(shown, path) })
    err(`wrote ${files.length} files to ${shown}\nNext: cd ${shown}, npm install --save-dev the package of provision, npm test\n`)
    return 0
  },
})
