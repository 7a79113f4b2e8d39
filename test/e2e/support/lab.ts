import { createHash } from 'node:crypto'
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { join, relative } from 'node:path'
import { overlayOf } from '../../../src/lab/host.ts'
import { boot, cutOff, DEFAULT_RELEASE, end, type LabSpec, labDown, labUp, reconnect } from '../../../src/lab/index.ts'
import { releaseOf } from '../../../src/lab/machine/release.ts'
import type { Project } from './project.ts'

// The packages of the roles of the reference project, and of database replicas.
const PACKAGES = [
  ...['nftables', 'unattended-upgrades', 'libpam-pwquality', 'nginx', 'haproxy', 'keepalived', 'iputils-arping', 'openssl', 'socat', 'age'],
  ...['mariadb-server', 'mariadb-backup', 'galera-4', 'galera-arbitrator-4'],
  ...['prometheus', 'prometheus-alertmanager', 'prometheus-blackbox-exporter', 'prometheus-exporter-exporter'],
  ...['prometheus-node-exporter', 'prometheus-mysqld-exporter', 'prometheus-nginx-exporter'],
]

/** The release of the lab hosts for which a test names none. */
export const RELEASE = releaseOf(DEFAULT_RELEASE)

/** The same lab with hosts on which the packages of the roles are installed. Their first run takes half as long as on bare hosts. */
export const installed = <S extends LabSpec>(spec: S): S => ({ ...spec, packages: PACKAGES })

/** The lab of the reference project: three hosts in its subnet, with the packages of the roles. */
export const referenceLab = (project: Project, subnet: string): LabSpec => installed(bareLab(project, subnet))

/** The same lab with bare hosts. */
export const bareLab = ({ root, lab }: Project, subnet: string): LabSpec => ({
  name: lab,
  root,
  hosts: ['lb-01', 'web-01', 'web-02'].map((name, i) => ({
    name,
    user: 'ops',
    addresses: [`${subnet}.${11 + i}`, `fd${subnet.split('.').at(-1)}::${11 + i}`],
  })),
})

/** The same lab with Debian 12: for a sample of the tests, unless all run on a release of PROVISION_LAB_RELEASE. */
export const onDebian12 = (spec: LabSpec): LabSpec => ({ ...spec, release: process.env.PROVISION_LAB_RELEASE ?? 'bookworm' })

export const up = (spec: LabSpec): Promise<void> => labUp(spec, () => undefined)
export const down = labDown

/** Cuts the power of a host. Its network goes first, so that no process of it can close a connection. */
export const cutPower = async (spec: LabSpec, host: string): Promise<void> => {
  await cutOff(spec, host)
  await end(spec, host)
}

export const restorePower = async (spec: LabSpec, host: string): Promise<void> => {
  await reconnect(spec, host)
  await boot(spec, host)
}

/** Returns the paths in which a host differs from the bare image, each with type, mode, owner and digest. */
export const overlay = (spec: LabSpec, host: string, isOfInterest = (_: string) => true): ReadonlyMap<string, string> => {
  const found = spec.hosts.find(({ name }) => name === host)
  if (found === undefined) throw new Error(`no host ${host}`)
  const root = overlayOf(spec, found)
  const paths = new Map<string, string>()
  for (const path of below(root)) {
    const name = `/${relative(root, path)}`
    if (!isOfInterest(name)) continue
    const stat = lstatSync(path, { bigint: true })
    const content = stat.isFile()
      ? digestOf(path, stat)
      : stat.isSymbolicLink()
        ? readlinkSync(path)
        : stat.isCharacterDevice()
          ? 'deleted'
          : ''
    paths.set(name, `${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${content}`)
  }
  return paths
}

/** Caches digests by inode and change time: repeated snapshots read only changed files. */
const digests = new Map<string, string>()

const digestOf = (path: string, { dev, ino, size, ctimeNs }: BigIntStats): string => {
  const key = [path, dev, ino, size, ctimeNs].join(' ')
  const known = digests.get(key) ?? createHash('sha256').update(readFileSync(path)).digest('hex')
  digests.set(key, known)
  return known
}

/** Returns every path below a directory. Node's own recursion follows links to directories, which may lead anywhere here. */
const below = (directory: string): readonly string[] =>
  readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    return entry.isDirectory() ? [path, ...below(path)] : [path]
  })

/** Returns paths that differ between two snapshots of an overlay, without directories that only contain others. */
export const differing = (before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): readonly string[] =>
  [...new Set([...before.keys(), ...after.keys()])]
    .filter((path) => before.get(path) !== after.get(path))
    .filter((path) => before.has(path) || !isPassed(path, after))
    .sort()

// An overlay holds a directory as soon as something below it was written.
const isPassed = (path: string, after: ReadonlyMap<string, string>): boolean =>
  after.get(path)?.startsWith('4') === true && [...after.keys()].some((other) => other.startsWith(`${path}/`))

/** Whether a TCP connection from this machine is accepted within a second. */
export const answers = (address: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: 1000 })
    const end = (answer: boolean) => () => {
      socket.destroy()
      resolve(answer)
    }
    socket.on('connect', end(true)).on('timeout', end(false)).on('error', end(false))
  })
