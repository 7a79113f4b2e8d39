import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Problem } from '../../problem.ts'
import { execute, succeeds } from './execute.ts'

/** Called with one line about the present step. */
export type OnProgress = (line: string) => void

// A command or file of this machine, and its Debian package.
const NEEDED = [
  ['systemd-nspawn', 'systemd-container'],
  ['mmdebstrap', 'mmdebstrap'],
  ['ip', 'iproute2'],
  ['nft', 'nftables'],
  ['openssl', 'openssl'],
  ['ssh-keygen', 'openssh-client'],
  ['sysctl', 'procps'],
  ['unshare', 'util-linux'],
  ['/usr/share/keyrings/debian-archive-keyring.gpg', 'debian-archive-keyring'],
  ['/usr/share/distro-info/debian.csv', 'distro-info-data'],
] as const

const ALTERNATIVE = 'or use real hosts: list their addresses in an inventory and run provision run -i INVENTORY'

/** Throws a problem unless this machine is Debian or Ubuntu and this process is root. */
export const checkMachine = async (): Promise<void> => {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '')
  if (!/^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release))
    throw unsuitable('this machine cannot run a lab: it is neither Debian nor Ubuntu', `run the command on one of them, ${ALTERNATIVE}`)
  if (process.getuid?.() !== 0)
    throw unsuitable('lab needs root, because it creates network namespaces and mounts', `run the same command with sudo, ${ALTERNATIVE}`)
}

/** Installs the missing packages that a lab needs, and reports them. */
export const installNeeded = async (onProgress: OnProgress): Promise<void> => {
  const present = await Promise.all(NEEDED.map(([what]) => succeeds(['sh', '-c', 'command -v "$1" || [ -e "$1" ]', 'sh', what])))
  const missing = NEEDED.filter((_, index) => !present[index]).map(([, name]) => name)
  if (missing.length === 0) return
  onProgress(`installing on this machine: ${missing.join(' ')}`)
  await refreshLists()
  await apt('install', '--yes', '--no-install-recommends', ...missing)
}

// The systemd of every host watches files as root of this machine. With the kernel's 128, units of a second lab fail.
const WATCHERS = 1024

/** Raises the number of file watchers that this machine permits an account, until its next boot, and reports it. */
export const raiseWatchers = async (onProgress: OnProgress): Promise<void> => {
  const path = '/proc/sys/fs/inotify/max_user_instances'
  if (Number(await readFile(path, 'utf8')) >= WATCHERS) return
  onProgress(`setting fs.inotify.max_user_instances=${WATCHERS} on this machine, until its next boot`)
  await execute(['sysctl', '--quiet', '--write', `fs.inotify.max_user_instances=${WATCHERS}`])
}

/** Updates apt's package lists. */
export const refreshLists = (): Promise<string> => apt('update')

/** Runs apt-get, and waits for another one up to two minutes. apt-get itself waits for the lock of packages, but not for that of their lists. */
const apt = async (...args: readonly string[]): Promise<string> => {
  for (let left = 120; ; left--) {
    try {
      return await execute(['apt-get', '-q', '-o', 'DPkg::Lock::Timeout=120', ...args], { env: { DEBIAN_FRONTEND: 'noninteractive' } })
    } catch (error) {
      if (left === 0 || !(error instanceof Problem) || error.why?.includes(LISTS_LOCK) !== true) throw error
      await sleep(1000)
    }
  }
}

const LISTS_LOCK = 'Could not get lock /var/lib/apt/lists/lock'

const unsuitable = (what: string, fix: string) => new Problem({ class: 'input', where: { command: 'lab' }, what, fix })
