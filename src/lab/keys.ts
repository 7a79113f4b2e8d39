import { chown, lchown, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { exists } from './cache.ts'
import { execute } from './execute.ts'
import { stateOf, writeWhole } from './host.ts'
import { addressOf, type LabSpec, type Layout, layoutOf } from './spec.ts'

/** The private key that logs into every host of the lab. */
export const keyFile = (layout: Layout): string => join(layout.directory, 'id_ed25519')

/** Makes the lab's key, if it has none. */
export const makeKey = async (spec: LabSpec): Promise<void> => {
  const layout = layoutOf(spec)
  await mkdir(layout.directory, { recursive: true })
  const file = keyFile(layout)
  if ((await exists(file)) && (await exists(`${file}.pub`))) return
  await rm(file, { force: true })
  await execute(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', `lab ${spec.name}`, '-f', file])
}

/** Writes down how the hosts are reached: their keys as found on their disks, and the configuration for `ssh -F`. */
export const writeAccess = async (spec: LabSpec): Promise<void> => {
  const { directory } = layoutOf(spec)
  const lines: string[] = []
  for (const host of spec.hosts) {
    for (const type of ['ed25519', 'ecdsa']) {
      const file = join(stateOf(spec, host), 'upper/etc/ssh', `ssh_host_${type}_key.pub`)
      const [algorithm, key] = (await readFile(file, 'utf8')).split(' ')
      for (const address of host.addresses) lines.push(`${address} ${algorithm} ${key}\n`)
    }
  }
  await writeWhole(join(directory, 'known_hosts'), lines.join(''))
  await writeWhole(join(directory, 'ssh_config'), labSshConfig(spec))
  await giveToOwner(spec)
}

/** What `ssh -F` reads to reach the hosts by their names. */
export const labSshConfig = (spec: LabSpec): string => {
  const layout = layoutOf(spec)
  return spec.hosts
    .map(
      (host) => `Host ${host.name}
  HostName ${addressOf(host)}
  User ${host.user}
  IdentityFile "${keyFile(layout)}"
  IdentitiesOnly yes
  UserKnownHostsFile "${join(layout.directory, 'known_hosts')}"
  StrictHostKeyChecking yes
`,
    )
    .join('\n')
}

// Made by root, used by whoever the project belongs to: a key that he cannot read is of no use.
const giveToOwner = async (spec: LabSpec) => {
  const { uid, gid } = await stat(spec.root)
  const { directory } = layoutOf(spec)
  for (const path of [directory, join(directory, '..'), join(directory, '../..')]) await chown(path, uid, gid)
  for (const name of await readdir(directory, { recursive: true })) await lchown(join(directory, name), uid, gid)
}
