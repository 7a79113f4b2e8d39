import { lstatSync, readlinkSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { Problem } from '../problem.ts'
import { quote } from '../shell/quote.ts'
import { accountName } from './account.ts'

/** The limit of Linux for links in a row. */
const MAX_LINKS = 40

/**
 * Resolves the symbolic links at the end of a path. Follows a link of this account or of root: dotfile managers and shared vaults use such
 * links, and the file behind the link is the one to write. Refuses a link of another account, for example in /tmp: it can lead anywhere.
 */
export const targetOf = (path: string, shown = path): string => {
  let target = path
  for (let links = 0; links < MAX_LINKS; links++) {
    const found = lstatSync(target, { throwIfNoEntry: false })
    if (found === undefined || found.isFile()) return target
    if (!found.isSymbolicLink()) throw unfit(shown, 'it is not a regular file', 'name a regular file, or remove this one')
    if (found.uid !== 0 && found.uid !== process.geteuid?.())
      throw unfit(
        shown,
        `${target === path ? 'it' : target} is a symbolic link of ${accountName(found.uid)}, who could point it at any of your files`,
        'remove the link, or name the file behind it',
      )
    target = resolve(dirname(target), readlinkSync(target))
  }
  throw unfit(shown, 'it is a chain of too many symbolic links', `check the links: readlink -f ${quote(shown)}`)
}

const unfit = (file: string, why: string, fix: string): Problem =>
  new Problem({ class: 'input', where: { file }, what: `${basename(file)} cannot be used`, why, fix })
