import { readFile } from 'node:fs/promises'
import { Problem } from '../../problem.ts'
import { execute, succeeds } from './execute.ts'

/** Hears in one line what is being done. */
export type OnProgress = (line: string) => void

// A command of this machine, or a file, and the Debian package that brings it.
const NEEDED = [
  ['systemd-nspawn', 'systemd-container'],
  ['mmdebstrap', 'mmdebstrap'],
  ['ip', 'iproute2'],
  ['nft', 'nftables'],
  ['openssl', 'openssl'],
  ['ssh-keygen', 'openssh-client'],
  ['unshare', 'util-linux'],
  ['/usr/share/keyrings/debian-archive-keyring.gpg', 'debian-archive-keyring'],
] as const

const INSTEAD = 'or use real hosts: write their addresses into an inventory of your own and give it to `provision run -i`'

/** Complains unless this machine can carry a lab: Debian or Ubuntu, and we are root. */
export const checkMachine = async (): Promise<void> => {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '')
  if (!/^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release))
    throw unable('a lab needs Debian or Ubuntu, and this machine is neither', `run it on one of them, ${INSTEAD}`)
  if (process.getuid?.() !== 0)
    throw unable('a lab needs root, for it makes network namespaces and mounts', `run the same command with sudo, ${INSTEAD}`)
}

/** Installs what a lab needs and this machine lacks, and says so. */
export const installNeeded = async (onProgress: OnProgress): Promise<void> => {
  const there = await Promise.all(NEEDED.map(([what]) => succeeds(['sh', '-c', 'command -v "$1" || [ -e "$1" ]', 'sh', what])))
  const missing = NEEDED.filter((_, index) => !there[index]).map(([, name]) => name)
  if (missing.length === 0) return
  onProgress(`installing on this machine: ${missing.join(' ')}`)
  await refreshLists()
  await apt('install', '--yes', '--no-install-recommends', ...missing)
}

/** Brings apt's package lists up to date. */
export const refreshLists = (): Promise<string> => apt('update')

const apt = (...args: readonly string[]) =>
  execute(['apt-get', '-q', '-o', 'DPkg::Lock::Timeout=120', ...args], { env: { DEBIAN_FRONTEND: 'noninteractive' } })

const unable = (what: string, fix: string) => new Problem({ class: 'input', where: { command: 'lab' }, what, fix })
