import { readdirSync, readFileSync, type Stats, statSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import type { Environment } from '../environment.ts'
import { loadAgeIdentities } from '../keystore/age-key.ts'
import { Problem, problemsIn } from '../problem.ts'
import type { Secret } from '../secret/secret.ts'
import { foreignFileWarnings } from './foreign-files.ts'
import type { RawFile, RawProject } from './raw.ts'
import { commandSource } from './reference/command-source.ts'
import { decryptSecrets } from './secrets.ts'
import { inputProblem } from './source/input-problem.ts'
import { list, nearest } from './source/suggest.ts'
import { textOf } from './source/text.ts'

export interface ReadOptions {
  /** The project's directory, absolute. */
  readonly root: string
  /** A file or a directory; `inventory` by default. */
  readonly inventory?: string
  /** `playbooks/site.yaml` by default; an empty list reads none. */
  readonly playbooks?: readonly string[]
  /** A playbook of the command line. */
  readonly adHoc?: RawFile
  /** Paths of roles in YAML, by name. `packaged` is set for those of packages. */
  readonly roles?: ReadonlyMap<string, { readonly path: string; readonly packaged?: object }>
  readonly env: Environment
}

const MAX_BYTES = 1_048_576
const SECRETS = 'secrets.yaml'
const INVENTORY = 'inventory'
const PLAYBOOK = 'playbooks/site.yaml'
const PACKAGE = 'node_modules/provision'

/** Reads all files of a project. Unreadable files become problems of the result, to be reported with all others. */
export const readProject = async ({
  root,
  inventory = INVENTORY,
  playbooks = [PLAYBOOK],
  adHoc,
  roles,
  env,
}: ReadOptions): Promise<RawProject> => {
  const problems: Problem[] = []
  const attempt = <T>(read: () => T, fallback: T): T => {
    try {
      return read()
    } catch (error) {
      problems.push(...problemsOrThrow(error))
      return fallback
    }
  }
  const paths = attempt(() => inventoryFiles(root, inventory), [])
  const read = (path: string): readonly RawFile[] => attempt(() => [{ path, text: textOf(path, readPlainFile(root, path)) }], [])
  const inventoryTexts = paths.flatMap(read)
  const playbook = (path: string): readonly RawFile[] => attempt(() => [readPlaybook(root, path, inventoryTexts)], [])
  const playbookFiles = [...playbooks.flatMap(playbook), ...(adHoc === undefined ? [] : [adHoc])]
  const roleFiles = new Map(
    [...(roles ?? [])].flatMap(([name, { path, packaged }]) =>
      read(path).map((file) => [name, packaged === undefined ? file : { ...file, isPackaged: true }] as const),
    ),
  )
  const secretsPath = paths.length === 0 ? SECRETS : secretsPathOf(root, inventory)
  const refersToSecrets = [...inventoryTexts, ...playbookFiles, ...roleFiles.values()].some(({ text }) => text.includes('${secret:'))
  const problemCount = problems.length
  const secrets = refersToSecrets
    ? await readSecrets({ root, path: secretsPath, env }).catch((error: unknown) => void problems.push(...problemsOrThrow(error)))
    : undefined
  return {
    root,
    inventory: inventoryTexts,
    playbooks: playbookFiles,
    roles: roleFiles,
    secretsPath,
    ...(secrets === undefined ? {} : { secrets: { path: secretsPath, text: secrets } }),
    secretsUnreadable: refersToSecrets && secrets === undefined && problems.length > problemCount,
    env,
    command: commandSource(root, env),
    home: env.HOME || fromSystem('HOME', homedir),
    user: env.USER || fromSystem('USER', () => userInfo().username),
    problems,
    warnings: foreignFileWarnings({ inventory: dirname(secretsPath), playbooks }, (path) => fileNames(resolve(root, path))),
  }
}

/** Reads a playbook. Its problem says how to select hosts if the path is the name of a host or of a group. */
const readPlaybook = (root: string, path: string, inventory: readonly RawFile[]): RawFile => {
  const isName = /^[\w.-]+$/.test(path) && !/\.ya?ml$/.test(path) && statPath(root, path) === undefined
  const key = new RegExp(`(^|[\\s{,])["']?${path.replaceAll(/[.-]/g, '\\$&')}["']?:`, 'm')
  if (isName && (path === 'all' || inventory.some(({ text }) => key.test(text))))
    throw inputProblem({ file: path }, 'playbook does not exist; this is a name of the inventory', `select hosts with --limit ${path}`)
  return { path, text: textOf(path, readPlainFile(root, path)) }
}

/** Asks the system for a property of the current user. In a container it may have none. */
const fromSystem = (variable: string, query: () => string): string => {
  try {
    return query()
  } catch (cause) {
    const what = `user ID ${process.getuid?.()} has no account on this machine`
    throw new Problem(
      { class: 'input', where: { command: 'provision' }, what, fix: `set the environment variable: export ${variable}=…` },
      { cause },
    )
  }
}

/** Returns the path of the secrets of an inventory: `secrets.yaml` in its directory. */
export const secretsPathOf = (root: string, inventory = 'inventory'): string => {
  const found = statPath(root, inventory)
  return join(found?.isFile() ? dirname(inventory) : inventory, SECRETS)
}

/** Returns the decrypted text of a secrets file; undefined if it does not exist. Throws a `Problem` if it is not encrypted or cannot be decrypted. */
export const readSecrets = async ({
  root,
  path,
  env,
}: {
  readonly root: string
  readonly path: string
  readonly env: ReadOptions['env']
}): Promise<Secret | undefined> => {
  if (statPath(root, path) === undefined) return undefined
  return decryptSecrets(path, readPlainFile(root, path), () => loadAgeIdentities(env))
}

const inventoryFiles = (root: string, inventory: string): readonly string[] => {
  const found = statPath(root, inventory)
  if (found === undefined)
    throw missingFile(
      root,
      inventory,
      'inventory does not exist',
      inventory === INVENTORY
        ? `run mkdir ${INVENTORY} && ${copyCommand(root, inventory)}`
        : (otherInventory(root, inventory) ?? 'name an existing file or directory with -i'),
    )
  if (!found.isDirectory()) return [inventory]
  const names = orUnreadable(inventory, () => readdirSync(resolve(root, inventory))).filter((name) => isInventory(name))
  if (names.length === 0) throw inputProblem({ file: inventory }, 'directory contains no inventory', `run ${copyCommand(root, inventory)}`)
  return names.toSorted().map((name) => join(inventory, name))
}

/** A suggestion of another inventory of the project: one whose name begins the same way (`prod.yaml`, `production.yaml`), or all of them. */
const otherInventory = (root: string, path: string): string | undefined => {
  const all = [...new Set([dirname(path), INVENTORY])].flatMap((directory) =>
    fileNames(resolve(root, directory))
      .filter(isInventory)
      .map((name) => join(directory, name)),
  )
  const wanted = stemOf(path)
  const near = all.find((one) => stemOf(one).startsWith(wanted) || wanted.startsWith(stemOf(one)))
  if (near !== undefined) return `did you mean \`${near}\`?`
  return all.length === 0 ? undefined : `name an existing file or directory with -i (available: ${list(all)})`
}

const stemOf = (path: string): string => basename(path).replace(/\.\w+$/, '')

const isInventory = (name: string): boolean => /^[^.].*\.ya?ml$/.test(name) && !/\.example\.ya?ml$/.test(name) && name !== SECRETS

/** Returns the text of a file of the project. Throws a `Problem` if it cannot be read. */
export const readText = (root: string, path: string): string => textOf(path, readPlainFile(root, path))

const readPlainFile = (root: string, path: string): Uint8Array => {
  const full = resolve(root, path)
  const found = statPath(root, path)
  if (found === undefined)
    throw missingFile(
      root,
      path,
      'file does not exist',
      path === PLAYBOOK ? `run cp -r ${PACKAGE}/playbooks ., or name a playbook` : 'correct the path',
    )
  if (found.isDirectory()) throw inputProblem({ file: path }, 'path is a directory, not a file', 'name a file in it')
  if (!found.isFile()) throw inputProblem({ file: path }, 'path is not a regular file', 'name a regular file')
  if (found.size > MAX_BYTES) throw inputProblem({ file: path }, 'file is larger than 1 MB', 'correct the path, or split the file')
  return orUnreadable(path, () => readFileSync(full))
}

/** Returns the command that copies an example of the directory, or that of the installed package. */
const copyCommand = (root: string, inventory: string): string => {
  const own = fileNames(resolve(root, inventory)).find((name) => /\.example\.ya?ml$/.test(name))
  const example = own === undefined ? `${PACKAGE}/${INVENTORY}/production.example.yaml` : join(inventory, own)
  return `cp ${example} ${join(inventory, 'production.yaml')}, then edit the copy`
}

/** Returns the status of a path; undefined if it does not exist. Throws a `Problem` if it cannot be read. */
export const statPath = (root: string, path: string): Stats | undefined =>
  orUnreadable(path, () => statSync(resolve(root, path), { throwIfNoEntry: false }))

const orUnreadable = <T>(path: string, act: () => T): T => {
  try {
    return act()
  } catch (error) {
    throw unreadable(path, error)
  }
}

const missingFile = (root: string, path: string, what: string, fallback: string): Problem => {
  const near = nearest(basename(path), fileNames(dirname(resolve(root, path))))
  return inputProblem({ file: path }, what, near === undefined ? fallback : `did you mean \`${join(dirname(path), near)}\`?`)
}

const unreadable = (path: string, error: unknown): Problem =>
  new Problem(
    {
      class: 'input',
      where: { file: path },
      what: 'file cannot be read',
      why: error instanceof Error ? error.message : String(error),
      fix: 'correct the path, or its permissions',
    },
    { cause: error },
  )

const fileNames = (directory: string): readonly string[] => {
  try {
    return readdirSync(directory)
  } catch {
    // Used for suggestions and warnings only.
    return []
  }
}

const problemsOrThrow = (error: unknown): readonly Problem[] => {
  const problems = problemsIn(error)
  if (problems === undefined) throw error
  return problems
}
