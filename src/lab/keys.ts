import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectory } from '../disk/folder.ts'
import { writeWhole } from '../disk/write.ts'
import { stateOf } from './host.ts'
import { removeOld } from './machine/cache.ts'
import { execute } from './machine/execute.ts'
import { addressOf, type LabSpec, type Layout, layoutOf } from './spec.ts'
import { userSide } from './user-side.ts'

const KEY = 'id_ed25519'

/** The private key for logging in to every host of the lab. */
export const keyFile = (layout: Layout): string => join(layout.directory, KEY)

/** Root's copy of the public key. The owner of the project could replace the one in the project by a link. */
export const publicKeyFile = (spec: LabSpec): string => join(layoutOf(spec).state, `${KEY}.pub`)

/** Creates the lab's key if there is none. */
export const createKey = async (spec: LabSpec): Promise<void> => {
  const { state } = layoutOf(spec)
  const side = userSide(spec)
  makeDirectory(state, 0o755)
  const there = side.read(KEY) === undefined ? undefined : side.read(`${KEY}.pub`)
  const { privateKey, publicKey } = there === undefined ? await newKey(spec, state) : { privateKey: undefined, publicKey: there }
  if (privateKey !== undefined) {
    side.write(`${KEY}.pub`, publicKey)
    side.write(KEY, privateKey, 0o600)
  }
  writeWhole(publicKeyFile(spec), publicKey, { mode: 0o644 })
}

const newKey = async (spec: LabSpec, state: string): Promise<{ readonly privateKey: string; readonly publicKey: string }> => {
  const prefix = join(state, '.key-')
  await removeOld(prefix)
  const scratch = await mkdtemp(prefix)
  try {
    const file = join(scratch, KEY)
    await execute(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', `lab ${spec.name}`, '-f', file])
    const [privateKey, publicKey] = await Promise.all([readFile(file, 'utf8'), readFile(`${file}.pub`, 'utf8')])
    return { privateKey, publicKey }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** Writes known_hosts, with the host keys from the hosts' disks, and the configuration for `ssh -F`. */
export const writeAccess = async (spec: LabSpec): Promise<void> => {
  const lines: string[] = []
  for (const host of spec.hosts) {
    for (const type of ['ed25519', 'ecdsa']) {
      const file = join(stateOf(spec, host), 'upper/etc/ssh', `ssh_host_${type}_key.pub`)
      const [algorithm, key] = (await readFile(file, 'utf8')).split(' ')
      for (const address of host.addresses) lines.push(`${address} ${algorithm} ${key}\n`)
    }
  }
  const side = userSide(spec)
  side.write('known_hosts', lines.join(''))
  side.write('ssh_config', labSshConfig(spec))
}

/** The configuration for `ssh -F` to reach the hosts by their names. */
export const labSshConfig = (spec: LabSpec): string => {
  const layout = layoutOf(spec)
  return spec.hosts
    .map(
      (host) => `Host ${host.name}
  HostName ${addressOf(host)}
  User ${host.user}
  IdentityFile ${quoted(keyFile(layout))}
  IdentitiesOnly yes
  UserKnownHostsFile ${quoted(join(layout.directory, 'known_hosts'))}
  StrictHostKeyChecking yes
`,
    )
    .join('\n')
}

/** ssh_config(5) expands `%`. `checkSpec` refuses other special characters. */
const quoted = (path: string): string => `"${path.replaceAll('%', '%%')}"`
