import { existsSync, readFileSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { PRIVATE } from '../disk/folder.ts'
import { writeWhole } from '../disk/write.ts'
import { readSite } from '../engine/prepare.ts'
import { newKey } from '../host/ssh/new-key.ts'
import { generateIdentity, recipientOf } from '../keystore/age.ts'
import { setRenewer } from '../keystore/renewal.ts'
import { ACCOUNT, inventoryLines, nameOf, patternFor, ROLE, renewingRun } from '../schedule/renewal.ts'
import { Secret } from '../secret/secret.ts'
import { readProject } from '../site/read.ts'
import type { CommandContext } from './command.ts'
import { usageError } from './parse.ts'
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

/** Returns the arguments of the scheduled run and the inventory lines that create its account. Throws input problems if it could not work. */
export const renewal = async (
  { inventory, playbooks }: { readonly inventory?: string | undefined; readonly playbooks: readonly string[] },
  context: CommandContext,
): Promise<{ readonly run: readonly string[]; readonly pattern: string; inventoryLinesFor(publicKey: string): string | undefined }> => {
  const { directory: root, env } = context
  const given = { root, env, ...(inventory === undefined ? {} : { inventory }), ...(playbooks.length === 0 ? {} : { playbooks }) }
  const { site, bindings, warnings } = await readSite(given)
  warn(warnings, context)
  if ((await readProject(given)).secrets !== undefined)
    throw usageError(
      'schedule',
      'this inventory uses secrets.yaml, which the key of a scheduled run cannot decrypt',
      'use -i with an inventory that has only the load balancers and their servers, without secrets',
    )
  const boundTo = (role: string) => bindings.bound.filter((binding) => binding.role.name === role)
  const hosts = [...new Set(boundTo(ROLE).map(({ host }) => host))]
  if (hosts.length === 0)
    throw usageError('schedule', `no host has the role ${ROLE}`, 'add the path of the playbook that binds it to your load balancers')
  const pattern = patternFor(hosts, site.groups)
  const administrators = boundTo('base').find(({ host }) => hosts.includes(host))?.written.value as { administrators?: unknown } | undefined
  const others = Array.isArray(administrators?.administrators) ? administrators.administrators : []
  return {
    run: renewingRun(playbooks, inventory, pattern),
    pattern,
    inventoryLinesFor: (publicKey) => {
      const entries = others.filter((entry) => (entry as { name?: unknown }).name !== ACCOUNT)
      return JSON.stringify(others).includes(JSON.stringify(publicKey)) ? undefined : inventoryLines(pattern, publicKey, entries)
    },
  }
}

/** Creates missing keys and encrypts the identities of renewal for the age key. Returns the public SSH key. */
export const createKeys = async (renewer: Renewer, { directory: root, env }: CommandContext): Promise<string> => {
  const options = { mode: 0o600, directory: PRIVATE }
  if (!existsSync(renewer.sshKey)) {
    const { privateKey, publicKey } = await newKey(renewer.name)
    writeWhole(`${renewer.sshKey}.pub`, `${publicKey}\n`, { mode: 0o644, directory: PRIVATE })
    writeWhole(renewer.sshKey, privateKey, options)
  }
  if (!existsSync(renewer.ageKey)) writeWhole(renewer.ageKey, `${(await generateIdentity()).reveal()}\n`, options)
  await setRenewer(root, env, await recipientIn(renewer.ageKey), true)
  return readFileSync(`${renewer.sshKey}.pub`, 'utf8').trim()
}

/** Deletes the keys, and encrypts the identities without them. */
export const deleteKeys = async (renewer: Renewer, { directory: root, env }: CommandContext): Promise<void> => {
  if (existsSync(renewer.ageKey)) await setRenewer(root, env, await recipientIn(renewer.ageKey), false)
  rmSync(renewer.directory, { recursive: true, force: true })
}

const recipientIn = (file: string): Promise<string> => recipientOf(new Secret(readFileSync(file, 'utf8').trim()))
