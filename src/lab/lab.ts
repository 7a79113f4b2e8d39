import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Problem } from '../problem.ts'
import { startArchive } from './archive.ts'
import { type Authority, authorityOf, startAuthority } from './authority.ts'
import { endHost, leaderOf, startHost, stateOf, untilReady } from './host.ts'
import { createKey, writeAccess } from './keys.ts'
import { endGroup } from './machine/cgroup.ts'
import { baseImage, tools } from './machine/image.ts'
import { type LockFile, withLock } from './machine/lock.ts'
import { checkMachine, installNeeded, type OnProgress, raiseWatchers } from './machine/machine.ts'
import { releaseOf } from './machine/release.ts'
import { networkDown, networkIsUp, networkUp } from './network.ts'
import { isPrepared, prepareHost } from './prepare.ts'
import { checkBridgeReachable } from './reach.ts'
import { checkAddressesFree, claim, lastRelease, removeLab } from './remains.ts'
import { addressOf, checkSpec, hostOf, type LabHost, type LabSpec, layoutOf, STATE } from './spec.ts'

/** The hosts and the authority of a lab, and which hosts run. */
export interface LabStatus {
  readonly name: string
  readonly hosts: Readonly<Record<string, { readonly address: string; readonly running: boolean }>>
  readonly authority: Authority
}

const silent: OnProgress = () => {}

/** Starts a lab, or the missing parts of it. Returns when every host answers on port 22. */
export const labUp = async (spec: LabSpec, onProgress: OnProgress = silent): Promise<void> => {
  checkSpec(spec)
  await checkMachine()
  const made = await prepared(spec, onProgress)
  await withLock(LABS, () => bringUp(spec, made, onProgress))
}

/** Removes all processes, namespaces, mounts, interfaces, cgroups and disks of a lab. Keeps its key and roots. */
export const labDown = async (spec: LabSpec): Promise<void> => {
  await checkMachine()
  await withLock(LABS, () => removeLab(layoutOf(spec)))
}

/** Recreates the disks of all hosts, or of the named ones, and starts the lab. */
export const labReset = async (spec: LabSpec, names?: readonly string[], onProgress: OnProgress = silent): Promise<void> => {
  checkSpec(spec)
  const selected = names ? names.map((name) => hostOf(spec, name)) : spec.hosts
  await checkMachine()
  const made = await prepared(spec, onProgress)
  await withLock(LABS, async () => {
    await Promise.all(selected.map((host) => removeHost(spec, host)))
    await bringUp(spec, made, onProgress)
  })
}

/** The present status of a lab. Needs no root and no running lab. */
export const labStatus = async (spec: LabSpec): Promise<LabStatus> => {
  checkSpec(spec)
  const each = spec.hosts.map(
    async (host) => [host.name, { address: addressOf(host), running: (await leaderOf(spec, host)) !== undefined }] as const,
  )
  return { name: spec.name, hosts: Object.fromEntries(await Promise.all(each)), authority: authorityOf(layoutOf(spec)) }
}

const LABS: LockFile = { path: join(STATE, 'lock'), what: 'labs of this machine have been', minutes: 10 }

/** Resources of this machine that a lab needs. */
interface Prepared {
  readonly release: string
  /** Each host with its base image. */
  readonly hosts: readonly { readonly host: LabHost; readonly image: string }[]
  readonly toolsDirectory: string
}

/** Creates the resources that a lab needs. It takes long only the first time, and does not block other labs. */
const prepared = async (spec: LabSpec, onProgress: OnProgress): Promise<Prepared> => {
  await installNeeded(onProgress)
  await raiseWatchers(onProgress)
  const release = spec.release ?? (await lastRelease(layoutOf(spec))) ?? DEFAULT_RELEASE
  const [hosts, toolsDirectory] = await Promise.all([withImages(spec, release, onProgress), tools(onProgress)])
  return { release, hosts, toolsDirectory }
}

const bringUp = async (spec: LabSpec, { release, hosts, toolsDirectory }: Prepared, onProgress: OnProgress) => {
  const layout = layoutOf(spec)
  await createKey(spec)
  await claim(spec, layout, release)
  await removeExtraHosts(spec)
  await connectNetwork(spec)
  const services = [startArchive(layout, toolsDirectory), startAuthority(spec, toolsDirectory)]
  await Promise.all([...services, ...hosts.map(({ host, image }) => hostUp(spec, host, image, onProgress))])
  await writeAccess(spec)
  await Promise.all(spec.hosts.map((host) => untilReady(spec, host)))
  await checkBridgeReachable(spec)
  onProgress(`ready: ${spec.hosts.map(({ name }) => name).join(', ')}`)
}

/** The release of hosts for which neither the inventory nor the command names one. */
export const DEFAULT_RELEASE = process.env.PROVISION_LAB_RELEASE ?? 'trixie'

/** Returns each host with its base image. The hosts of one release share it. */
const withImages = async (spec: LabSpec, release: string, onProgress: OnProgress): Promise<Prepared['hosts']> => {
  const byRelease = Map.groupBy(spec.hosts, (host) => releaseOf(host.release ?? release).codename)
  const releases = [...byRelease.keys()].map((codename) => releaseOf(codename))
  if (spec.mirror !== undefined && new Set(releases.map(({ family }) => family)).size > 1)
    throw new Problem({
      class: 'input',
      where: { command: `lab ${spec.name}` },
      what: `--mirror ${spec.mirror} cannot have the packages of both Debian and Ubuntu`,
      fix: 'leave out --mirror, or give all hosts releases of one of them',
    })
  const prepared: { readonly host: LabHost; readonly image: string }[] = []
  for (const each of releases) {
    const image = await baseImage(each, spec, onProgress)
    for (const host of byRelease.get(each.codename) ?? []) prepared.push({ host, image })
  }
  return prepared
}

const connectNetwork = async (spec: LabSpec) => {
  const layout = layoutOf(spec)
  if (await networkIsUp(layout)) return
  // The running hosts belong to a network that does not exist any more.
  await endGroup(layout.cgroup)
  await networkDown(layout)
  await checkAddressesFree(spec, layout)
  await networkUp(layout)
}

const hostUp = async (spec: LabSpec, host: LabHost, image: string, onProgress: OnProgress) => {
  if (!(await isPrepared(spec, host, image))) {
    await endHost(spec, host)
    onProgress(`${host.name}: new disk`)
    await prepareHost(spec, host, image)
  }
  if (await startHost(spec, host)) onProgress(`${host.name}: booting (${host.addresses.join(', ')})`)
}

const removeHost = async (spec: LabSpec, host: LabHost) => {
  await endHost(spec, host)
  await rm(stateOf(spec, host), { recursive: true, force: true })
}

// Removes hosts that are not in the inventory any more.
const removeExtraHosts = async (spec: LabSpec) => {
  const entries = await readdir(layoutOf(spec).state, { withFileTypes: true })
  const extra = entries.filter(
    (entry) => entry.isDirectory() && /^[^.]+$/.test(entry.name) && !spec.hosts.some(({ name }) => name === entry.name),
  )
  await Promise.all(extra.map(({ name }) => removeHost(spec, { name, user: 'root', addresses: [] })))
}
