import { chmod, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectory } from '../disk/folder.ts'
import { writeWhole } from '../disk/write.ts'
import { type Disk, diskOf, stateOf } from './host.ts'
import { publicKeyFile } from './keys.ts'
import { execute } from './machine/execute.ts'
import { type LabHost, type LabSpec, layoutOf } from './spec.ts'

// The work of a cloud's first boot: host name, an account with a key, host keys. It runs in its own mount namespace.
const FIRST_BOOT = `set -eu
umask 022
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$2/root"
cd "$2/root"
if [ "$3" != root ]; then
  chroot . useradd --create-home --shell /bin/bash "$3"
  printf '%s ALL=(ALL) NOPASSWD:ALL\\n' "$3" > etc/sudoers.d/90-cloud-init-users
  chmod 440 etc/sudoers.d/90-cloud-init-users
  chroot . install -d -m 700 -o "$3" -g "$3" "/home/$3/.ssh"
  install -m 600 "$4" "home/$3/.ssh/authorized_keys"
  chroot . chown "$3:$3" "/home/$3/.ssh/authorized_keys"
fi
install -d -m 700 root/.ssh
install -m 600 "$4" root/.ssh/authorized_keys
cp -R -- "$2/files/." .
for type in ed25519 ecdsa; do ssh-keygen -q -N '' -t "$type" -C "root@$5" -f "etc/ssh/ssh_host_\${type}_key"; done
chmod 700 root
`

/** Creates a host's disk: an overlay over the base image, like a new server of a cloud. Deletes an old disk. */
export const prepareHost = async (spec: LabSpec, host: LabHost, image: string): Promise<void> => {
  const state = stateOf(spec, host)
  const fresh = `${state}.new`
  await rm(fresh, { recursive: true, force: true })
  await rm(state, { recursive: true, force: true })
  for (const directory of ['upper', 'work', 'root']) makeDirectory(join(fresh, directory), 0o755)
  // The root directory of the host gets this mode, independent of the umask.
  await chmod(join(fresh, 'upper'), 0o755)
  for (const [path, text] of Object.entries(filesOf(spec, host))) {
    const file = join(fresh, 'files', path)
    writeWhole(file, text, { mode: 0o644, directory: 0o755 })
  }
  await execute(['unshare', '--mount', 'sh', '-c', FIRST_BOOT, 'sh', image, fresh, host.user, publicKeyFile(spec), host.name])
  await rm(join(fresh, 'files'), { recursive: true })
  const disk: Disk = { image, user: host.user, key: await publicKeyOf(spec) }
  writeWhole(join(fresh, 'disk.json'), JSON.stringify(disk), { mode: 0o644 })
  await rename(fresh, state)
}

/** Whether the host has a disk of this base image, user and key. */
export const isPrepared = async (spec: LabSpec, host: LabHost, image: string): Promise<boolean> => {
  const disk = await diskOf(spec, host)
  return disk !== undefined && disk.image === image && disk.user === host.user && disk.key === (await publicKeyOf(spec))
}

const publicKeyOf = (spec: LabSpec) => readFile(publicKeyFile(spec), 'utf8')

const filesOf = (spec: LabSpec, host: LabHost): Record<string, string> => {
  const [gateway] = layoutOf(spec).gateways
  const proxy = gateway ? urlHost(gateway.address) : ''
  return {
    'etc/hostname': `${host.name}\n`,
    'etc/hosts': `127.0.0.1\tlocalhost\n127.0.1.1\t${host.name}\n::1\tlocalhost ip6-localhost ip6-loopback\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n`,
    'etc/resolv.conf': `nameserver ${gateway?.address ?? ''}\n`,
    // Hosts reach package mirrors only through the lab's cache, because nothing is routed.
    'etc/apt/apt.conf.d/90lab-proxy': `Acquire::http::Proxy "http://${proxy}:3142";\n`,
  }
}

const urlHost = (address: string) => (address.includes(':') ? `[${address}]` : address)
