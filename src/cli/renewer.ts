import { existsSync, readFileSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { PRIVATE } from '../disk/folder.ts'
import { writeWhole } from '../disk/write.ts'
import { understand } from '../engine/prepare.ts'
import { newKey } from '../host/ssh/new-key.ts'
import { generateIdentity, recipientOf } from '../keystore/age.ts'
import { setRenewer } from '../keystore/renewal.ts'
import { ACCOUNT, inventoryLines, nameOf, patternFor, ROLE, renewingRun } from '../schedule/renewal.ts'
import { Secret } from '../secret/secret.ts'
import { readProject } from '../site/read.ts'
import type { Surroundings } from './command.ts'
import { wrong } from './parse.ts'
import { warn } from './site.ts'

/** Who renews a project's certificates without a person: two keys of its own, readable to whoever it runs as. */
export interface Renewer {
  readonly name: string
  readonly directory: string
  readonly sshKey: string
  readonly ageKey: string
}

/** Where these keys are, or will be. */
export const renewerOf = ({ directory: root, env }: Surroundings): Renewer => {
  const name = nameOf(root)
  const directory = join(configHome(env), 'provision', 'schedule', name)
  return { name, directory, sshKey: join(directory, 'id_ed25519'), ageKey: join(directory, 'age.txt') }
}

export const configHome = (env: Surroundings['env']): string => env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config')

/** What a scheduled run of this project would be, and the lines that let it in. Throws input problems where it could not work. */
export const renewal = async (
  { inventory, playbooks }: { readonly inventory?: string | undefined; readonly playbooks: readonly string[] },
  surroundings: Surroundings,
): Promise<{ readonly run: readonly string[]; readonly pattern: string; linesFor(publicKey: string): string | undefined }> => {
  const { directory: root, env } = surroundings
  const given = { root, env, ...(inventory === undefined ? {} : { inventory }), ...(playbooks.length === 0 ? {} : { playbooks }) }
  const { site, bindings, warnings } = await understand(given)
  warn(warnings, surroundings)
  if ((await readProject(given)).secrets !== undefined)
    throw wrong(
      'schedule',
      'this inventory takes secrets from secrets.yaml, and the keys of a scheduled run open certificates only',
      'name an inventory without them: the balancers and their servers, without what other roles need (-i)',
    )
  const on = (role: string) => bindings.bound.filter((one) => one.role.name === role)
  const hosts = [...new Set(on(ROLE).map(({ host }) => host))]
  if (hosts.length === 0) throw wrong('schedule', `no host has the role ${ROLE}`, 'name the playbook that binds it to your balancers')
  const pattern = patternFor(hosts, site.groups)
  const administrators = on('base').find(({ host }) => hosts.includes(host))?.written.value as { administrators?: unknown } | undefined
  const others = Array.isArray(administrators?.administrators) ? administrators.administrators : []
  return {
    run: renewingRun(playbooks, inventory, pattern),
    pattern,
    linesFor: (publicKey) => {
      const entries = others.filter((one) => (one as { name?: unknown }).name !== ACCOUNT)
      return JSON.stringify(others).includes(JSON.stringify(publicKey)) ? undefined : inventoryLines(pattern, publicKey, entries)
    },
  }
}

/** Makes the two keys where there are none, and lets them open what renewal needs; the public one for SSH. */
export const enrol = async (renewer: Renewer, { directory: root, env }: Surroundings): Promise<string> => {
  const secret = { mode: 0o600, directory: PRIVATE }
  if (!existsSync(renewer.sshKey)) {
    const { privateKey, publicKey } = await newKey(renewer.name)
    writeWhole(`${renewer.sshKey}.pub`, `${publicKey}\n`, { mode: 0o644, directory: PRIVATE })
    writeWhole(renewer.sshKey, privateKey, secret)
  }
  if (!existsSync(renewer.ageKey)) writeWhole(renewer.ageKey, `${(await generateIdentity()).reveal()}\n`, secret)
  await setRenewer(root, env, await recipientIn(renewer.ageKey), true)
  return readFileSync(`${renewer.sshKey}.pub`, 'utf8').trim()
}

/** Takes the keys away, and what they open from them. */
export const dismiss = async (renewer: Renewer, { directory: root, env }: Surroundings): Promise<void> => {
  if (existsSync(renewer.ageKey)) await setRenewer(root, env, await recipientIn(renewer.ageKey), false)
  rmSync(renewer.directory, { recursive: true, force: true })
}

const recipientIn = (file: string): Promise<string> => recipientOf(new Secret(readFileSync(file, 'utf8').trim()))
