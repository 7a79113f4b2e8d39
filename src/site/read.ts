import { readdirSync, readFileSync, type Stats, statSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { loadAgeIdentities } from '../keystore/age-key.ts'
import { Problem, problemsIn } from '../problem.ts'
import type { Secret } from '../secret/secret.ts'
import type { RawFile, RawProject } from './raw.ts'
import { commandSource } from './reference/command-source.ts'
import { decryptSecrets } from './secrets.ts'
import { complaint } from './source/complaint.ts'
import { nearest } from './source/suggest.ts'
import { textOf } from './source/text.ts'

export interface ReadOptions {
  /** The project's directory, absolute. */
  readonly root: string
  /** A file or a directory; `inventory` by default. */
  readonly inventory?: string
  /** `playbooks/site.yaml` by default; an empty list reads none. */
  readonly playbooks?: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
}

const MOST_BYTES = 1_048_576
const SECRETS = 'secrets.yaml'

/** Reads all files of a project. What cannot be read is a problem of the result, so that it is told together with all others. */
export const readProject = async ({
  root,
  inventory = 'inventory',
  playbooks = ['playbooks/site.yaml'],
  env,
}: ReadOptions): Promise<RawProject> => {
  const problems: Problem[] = []
  const attempt = <T>(read: () => T, otherwise: T): T => {
    try {
      return read()
    } catch (error) {
      problems.push(...expected(error))
      return otherwise
    }
  }
  const paths = attempt(() => inventoryFiles(root, inventory), [])
  const read = (path: string): readonly RawFile[] => attempt(() => [{ path, text: textOf(path, readPlainFile(root, path)) }], [])
  const files = paths.flatMap(read)
  const books = playbooks.flatMap(read)
  const secretsPath = paths.length === 0 ? SECRETS : secretsPathOf(root, inventory)
  const refers = [...files, ...books].some(({ text }) => text.includes('${secret:'))
  const before = problems.length
  const secrets = refers
    ? await readSecrets({ root, path: secretsPath, env }).catch((error: unknown) => void problems.push(...expected(error)))
    : undefined
  return {
    root,
    inventory: files,
    playbooks: books,
    secretsPath,
    ...(secrets === undefined ? {} : { secrets: { path: secretsPath, text: secrets } }),
    secretsUnreadable: refers && secrets === undefined && problems.length > before,
    env,
    command: commandSource(root, env),
    home: env.HOME || known('HOME', homedir),
    user: env.USER || known('USER', () => userInfo().username),
    problems,
  }
}

/** What the system knows of whoever started us; in a container that may be nothing. */
const known = (variable: string, ask: () => string): string => {
  try {
    return ask()
  } catch (cause) {
    const what = 'this machine knows no user of your number'
    throw new Problem({ class: 'input', where: { command: 'provision' }, what, fix: `set ${variable} before you start` }, { cause })
  }
}

/** Where the secrets of an inventory lie: `secrets.yaml` in its directory. */
export const secretsPathOf = (root: string, inventory = 'inventory'): string => {
  const found = look(root, inventory)
  return join(found?.isFile() ? dirname(inventory) : inventory, SECRETS)
}

/** The decrypted text of a secrets file; undefined where there is none. Throws a `Problem` when it is not encrypted or does not open. */
export const readSecrets = async ({
  root,
  path,
  env,
}: {
  readonly root: string
  readonly path: string
  readonly env: ReadOptions['env']
}): Promise<Secret | undefined> => {
  if (look(root, path) === undefined) return undefined
  return decryptSecrets(path, readPlainFile(root, path), () => loadAgeIdentities(env))
}

const inventoryFiles = (root: string, inventory: string): readonly string[] => {
  const found = look(root, inventory)
  if (found === undefined)
    throw missing(
      root,
      inventory,
      'there is no inventory here',
      'write one, as inventory/production.example.yaml shows, or name it with -i',
    )
  if (!found.isDirectory()) return [inventory]
  const names = attempting(inventory, () => readdirSync(resolve(root, inventory))).filter((name) => isInventory(name))
  if (names.length === 0)
    throw complaint(
      { file: inventory },
      'this directory holds no inventory',
      'copy inventory/production.example.yaml to production.yaml in it and fill it in',
    )
  return names.toSorted().map((name) => join(inventory, name))
}

const isInventory = (name: string): boolean => /^[^.].*\.ya?ml$/.test(name) && !/\.example\.ya?ml$/.test(name) && name !== SECRETS

const readPlainFile = (root: string, path: string): Uint8Array => {
  const full = resolve(root, path)
  const found = look(root, path)
  if (found === undefined) throw missing(root, path, 'there is no such file', 'correct the path')
  if (found.isDirectory()) throw complaint({ file: path }, 'this is a directory, not a file', 'name a file in it')
  if (!found.isFile()) throw complaint({ file: path }, 'this is not a plain file', 'name a file')
  if (found.size > MOST_BYTES)
    throw complaint({ file: path }, 'this file is larger than 1 MB', 'name the right file, or split it into several')
  return attempting(path, () => readFileSync(full))
}

/** What lies at a path; undefined where there is nothing. A path that cannot even be looked at is a `Problem`. */
const look = (root: string, path: string): Stats | undefined =>
  attempting(path, () => statSync(resolve(root, path), { throwIfNoEntry: false }))

const attempting = <T>(path: string, act: () => T): T => {
  try {
    return act()
  } catch (error) {
    throw unreadable(path, error)
  }
}

const missing = (root: string, path: string, what: string, otherwise: string): Problem => {
  const near = nearest(basename(path), listing(dirname(resolve(root, path))))
  return complaint({ file: path }, what, near === undefined ? otherwise : `did you mean \`${join(dirname(path), near)}\`?`)
}

const unreadable = (path: string, error: unknown): Problem =>
  new Problem(
    {
      class: 'input',
      where: { file: path },
      what: 'this cannot be read',
      why: error instanceof Error ? error.message : String(error),
      fix: 'correct the path, or make it a plain file that you may read',
    },
    { cause: error },
  )

const listing = (directory: string): readonly string[] => {
  try {
    return readdirSync(directory)
  } catch {
    // Only used to suggest names: no directory, no suggestions.
    return []
  }
}

const expected = (error: unknown): readonly Problem[] => {
  const problems = problemsIn(error)
  if (problems === undefined) throw error
  return problems
}
