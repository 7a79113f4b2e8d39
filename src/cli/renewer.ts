import { existsSync, readFileSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { PRIVATE } from '../disk/folder.ts'
import { isWithin } from '../disk/within.ts'
import { writeWhole } from '../disk/write.ts'
import { readSite } from '../engine/prepare.ts'
import { newKey } from '../host/ssh/new-key.ts'
import { generateIdentity, recipientOf } from '../keystore/age.ts'
import { type DecryptedFile, secretsOfRenewer, setRenewer } from '../keystore/renewal.ts'
import { Problem } from '../problem.ts'
import { type Missing, missingAccount, nameOf, patternFor, ROLE, renewingRun } from '../schedule/renewal.ts'
import { Secret } from '../secret/secret.ts'
import { readProject, readSecrets } from '../site/read.ts'
import type { CommandContext } from './command.ts'
import { usageError } from './parse.ts'
import { bytesOf, replace, withLock } from './secrets/file.ts'
import { warn } from './site.ts'

/** The scheduled run that renews a project's certificates. It has its own SSH key and age key. */
export interface Renewer {
  readonly name: string
  readonly directory: string
  readonly sshKey: string
  readonly ageKey: string
}

/** Returns the paths of these keys, whether they exist or not. */
export const renewerOf = ({ directory: root, env }: CommandContext): Renewer => {
  const name = nameOf(root)
  const directory = join(configHome(env), 'provision', 'schedule', name)
  return { name, directory, sshKey: join(directory, 'id_ed25519'), ageKey: join(directory, 'age.txt') }
}

export const configHome = (env: CommandContext['env']): string => env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config')

/** The scheduled run of a project. */
export interface Renewal {
  /** Arguments of the run, without its SSH key. */
  readonly run: readonly string[]
  /** The load balancers. */
  readonly pattern: string
  /** The file of secrets that the inventory uses. */
  readonly secretsPath: string | undefined
  /** What the inventory needs for its account; undefined if it has it. */
  missingAccount(publicKey: string): Missing | undefined
}

/** Returns the arguments of the scheduled run and what the inventory needs for its account. Throws input problems if it could not work. */
export const renewal = async (
  { inventory, playbooks }: { readonly inventory?: string | undefined; readonly playbooks: readonly string[] },
  context: CommandContext,
): Promise<Renewal> => {
  const { directory: root, env } = context
  const given = { root, env, ...(inventory === undefined ? {} : { inventory }), ...(playbooks.length === 0 ? {} : { playbooks }) }
  const { site, bindings, warnings } = await readSite(given)
  warn(warnings, context)
  const boundTo = (role: string) => bindings.bound.filter((binding) => binding.role.name === role)
  const hosts = [...new Set(boundTo(ROLE).map(({ host }) => host))]
  if (hosts.length === 0)
    throw usageError('schedule', `no host has the role ${ROLE}`, 'add the path of the playbook that binds it to your load balancers')
  const pattern = patternFor(hosts, site.groups)
  const base = new Map(boundTo('base').map(({ host, written }) => [host, written.value]))
  return {
    run: renewingRun(playbooks, inventory, pattern),
    pattern,
    secretsPath: (await readProject(given)).secrets?.path,
    missingAccount: (publicKey) => missingAccount({ pattern, hosts: new Map(hosts.map((host) => [host, base.get(host)])) }, publicKey),
  }
}

/** Creates missing keys, and encrypts the identities of renewal and the used secrets for the age key. Returns the public SSH key. */
export const createKeys = async (renewer: Renewer, secretsPath: string | undefined, context: CommandContext): Promise<string> => {
  const sshPublic = await createSshKey(renewer)
  if (!existsSync(renewer.ageKey))
    writeWhole(renewer.ageKey, `${(await generateIdentity()).reveal()}\n`, { mode: 0o600, directory: PRIVATE })
  const recipient = await recipientIn(renewer.ageKey)
  const before = changeable(secretsOfRenewer(context.directory, recipient), context, secretsPath)
  await withSecrets([...new Set([...before, secretsPath ?? []].flat())], context, (secrets) =>
    setRenewer(context.directory, context.env, recipient, { permitted: true, secrets }),
  )
  return sshPublic
}

/** Creates the SSH key of a scheduled job if it is missing. Returns its public part. */
export const createSshKey = async ({ name, sshKey }: Pick<Renewer, 'name' | 'sshKey'>): Promise<string> => {
  if (!existsSync(sshKey)) {
    const { privateKey, publicKey } = await newKey(name)
    writeWhole(`${sshKey}.pub`, `${publicKey}\n`, { mode: 0o644, directory: PRIVATE })
    writeWhole(sshKey, privateKey, { mode: 0o600, directory: PRIVATE })
  }
  return readFileSync(`${sshKey}.pub`, 'utf8').trim()
}

/** Deletes the keys, and encrypts the identities without them. */
export const deleteKeys = async (renewer: Renewer, context: CommandContext): Promise<void> => {
  if (existsSync(renewer.ageKey)) {
    const recipient = await recipientIn(renewer.ageKey)
    await withSecrets(changeable(secretsOfRenewer(context.directory, recipient), context), context, (secrets) =>
      setRenewer(context.directory, context.env, recipient, { permitted: false, secrets }),
    )
  }
  rmSync(renewer.directory, { recursive: true, force: true })
}

const recipientIn = (file: string): Promise<string> => recipientOf(new Secret(readFileSync(file, 'utf8').trim()))

/**
 * The files of secrets that may be encrypted again for the recipients of this project: its own, and the one in use. The list of files is
 * committed. A line that somebody else wrote must not hand on the secrets of another project.
 */
const changeable = (paths: readonly string[], context: CommandContext, used?: string): readonly string[] => {
  const root = context.directory
  const others = paths.filter(
    (path) =>
      existsSync(resolve(root, path)) &&
      !(used !== undefined && resolve(root, path) === resolve(root, used)) &&
      !isBelow(root, resolve(root, path)),
  )
  warn(others.map(notChanged), context)
  return paths.filter((path) => !others.includes(path))
}

const isBelow = (root: string, path: string): boolean => isWithin(root, path) && !isWithin(path, root)

const notChanged = (path: string): Problem =>
  new Problem({
    class: 'input',
    where: { file: 'identities/renewal-recipients.txt' },
    what: `${path} is outside of the project and was not encrypted again`,
    fix: 'find out who added its line, which is deleted now; if it was you, run provision secrets rotate with the inventory of the file',
  })

/** Decrypts these files of secrets, skips missing ones, and holds their locks while `act` runs. */
const withSecrets = async (
  paths: readonly string[],
  context: CommandContext,
  act: (secrets: readonly DecryptedFile[]) => Promise<void>,
): Promise<void> => {
  const { directory: root, env } = context
  const [path, ...others] = paths
  if (path === undefined) return act([])
  if (bytesOf(root, path) === undefined) return withSecrets(others, context, act)
  await withLock(path, context, async () => {
    const text = await readSecrets({ root, path, env })
    const mine = text === undefined ? [] : [{ file: path, text, replace: (bytes: Uint8Array) => replace(root, path, bytes) }]
    await withSecrets(others, context, (secrets) => act([...mine, ...secrets]))
  })
}
