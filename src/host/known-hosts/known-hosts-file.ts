import { append } from '../../disk/append.ts'
import { PRIVATE } from '../../disk/folder.ts'
import { readNamed } from '../../disk/read.ts'
import { Problem } from '../../problem.ts'
import type { Target } from '../target/connection.ts'
import { type KnownHost, knownName, parseKnownHosts, presentedKey, statusOfKey, typeOf } from './known-hosts.ts'

/** The authorities in these known_hosts files. */
export const readAuthorities = async (files: readonly string[]): Promise<readonly KnownHost[]> =>
  (await parsedFiles(files)).flatMap(({ authorities }) => authorities)

/** All entries of these known_hosts files. A missing file has none. */
export const readKnownHosts = async (files: readonly string[], log: (line: string) => void = () => {}): Promise<readonly KnownHost[]> => {
  const parsed = await parsedFiles(files)
  for (const { file, line, why } of parsed.flatMap(({ ignored }) => ignored)) log(`${file}:${line}: ignored, ${why}`)
  return parsed.flatMap(({ entries }) => entries)
}

const parsedFiles = (files: readonly string[]): Promise<readonly ReturnType<typeof parseKnownHosts>[]> =>
  Promise.all(files.map(async (file) => parseKnownHosts(file, await textOf(file))))

// Writers of this process take turns. A single append keeps lines of other processes intact.
let writing: Promise<void> = Promise.resolve()

/**
 * Adds host keys (in SSH's wire format) to the first known_hosts file of a connection, and creates the file if it is missing. Skips keys
 * that are there already. Returns the file.
 */
export const storeHostKeys = async (target: Target, keys: readonly Buffer[]): Promise<string> => {
  const file = target.knownHosts[0]
  if (file === undefined)
    throw new Problem({
      class: 'input',
      where: { host: target.name },
      what: 'host has no known_hosts file to which its keys can be added',
      fix: 'set one in the inventory (known_hosts: path)',
    })
  const turn = writing.then(() => add(file, target, keys))
  writing = turn.catch(() => {})
  await turn
  return file
}

const add = async (file: string, target: Target, keys: readonly Buffer[]): Promise<void> => {
  const text = await textOf(file)
  const { entries } = parseKnownHosts(file, text)
  const name = knownName(target)
  const fresh = keys.filter((key) => statusOfKey(entries, name, presentedKey(key)).status !== 'known')
  if (fresh.length === 0) return
  const lines = fresh.map((key) => `${name} ${typeOf(key)} ${key.toString('base64')}\n`)
  append(file, `${text === '' || text.endsWith('\n') ? '' : '\n'}${lines.join('')}`, { mode: 0o600, directory: PRIVATE })
}

/** Some hundred thousand hosts. */
const MAX_BYTES = 2 ** 26

const textOf = async (file: string): Promise<string> =>
  await readText(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw new Problem({
      class: 'input',
      where: { file },
      what: `known_hosts cannot be read (${error.code})`,
      fix: 'replace it with a file that your account can read',
    })
  })

const readText = async (file: string): Promise<string> => readNamed(file, MAX_BYTES)
