import { readdir, rm } from 'node:fs/promises'
import { startArchive } from './archive.ts'
import { type Authority, authorityOf, startAuthority } from './authority.ts'
import { endHost, leaderOf, startHost, stateOf, untilReady } from './host.ts'
import { makeKey, writeAccess } from './keys.ts'
import { alone } from './lock.ts'
import { endGroup } from './machine/cgroup.ts'
import { baseImage, tools } from './machine/image.ts'
import { checkMachine, installNeeded, type OnProgress } from './machine/machine.ts'
import { networkDown, networkIsUp, networkUp } from './network.ts'
import { isPrepared, prepareHost } from './prepare.ts'
import { checkBridgeReachable } from './reach.ts'
import { checkAddressesFree, claim, removeLab } from './remains.ts'
import { addressOf, checkSpec, hostOf, type LabHost, type LabSpec, layoutOf } from './spec.ts'

/** What there is of a lab. */
export interface LabStatus {
  readonly name: string
  readonly hosts: Readonly<Record<string, { readonly address: string; readonly running: boolean }>>
  readonly authority: Authority
}

const silent: OnProgress = () => {}

/** Brings a lab up, whatever is there of it already, and answers when every host greets on port 22. */
export const labUp = async (spec: LabSpec, onProgress: OnProgress = silent): Promise<void> => {
  checkSpec(spec)
  await checkMachine()
  await alone(() => bringUp(spec, onProgress))
}

/** Takes a lab down: no process, namespace, mount, interface, cgroup or disk of it stays. The key and the roots do. */
export const labDown = async (spec: LabSpec): Promise<void> => {
  await checkMachine()
  await alone(() => removeLab(layoutOf(spec)))
}

/** Gives hosts fresh disks, all of them or those that are named, boots them, and brings up what else is missing. */
export const labReset = async (spec: LabSpec, names?: readonly string[], onProgress: OnProgress = silent): Promise<void> => {
  checkSpec(spec)
  const chosen = names ? names.map((name) => hostOf(spec, name)) : spec.hosts
  await checkMachine()
  await alone(async () => {
    await Promise.all(chosen.map((host) => removeHost(spec, host)))
    await bringUp(spec, onProgress)
  })
}

/** What there is of a lab now; needs no root and no running lab. */
export const labStatus = async (spec: LabSpec): Promise<LabStatus> => {
  checkSpec(spec)
  const each = spec.hosts.map(
    async (host) => [host.name, { address: addressOf(host), running: (await leaderOf(spec, host)) !== undefined }] as const,
  )
  return { name: spec.name, hosts: Object.fromEntries(await Promise.all(each)), authority: authorityOf(layoutOf(spec)) }
}

const bringUp = async (spec: LabSpec, onProgress: OnProgress) => {
  await installNeeded(onProgress)
  const [image, toolsDirectory] = await Promise.all([baseImage(onProgress), tools(onProgress)])
  const layout = layoutOf(spec)
  await makeKey(spec)
  await claim(spec, layout)
  await endStrangers(spec)
  await wire(spec)
  const services = [startArchive(layout, toolsDirectory), startAuthority(spec, toolsDirectory)]
  const hosts = spec.hosts.map((host) => hostUp(spec, host, image, onProgress))
  await Promise.all([...services, ...hosts])
  await writeAccess(spec)
  await Promise.all(spec.hosts.map((host) => untilReady(spec, host)))
  await checkBridgeReachable(spec)
  onProgress(`ready: ${spec.hosts.map(({ name }) => name).join(', ')}`)
}

const wire = async (spec: LabSpec) => {
  const layout = layoutOf(spec)
  if (await networkIsUp(layout)) return
  // What runs is plugged into a wire that is not there any more.
  await endGroup(layout.cgroup)
  await networkDown(layout)
  await checkAddressesFree(spec, layout)
  await networkUp(layout)
}

const hostUp = async (spec: LabSpec, host: LabHost, image: string, onProgress: OnProgress) => {
  if (!(await isPrepared(spec, host))) {
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

// Hosts that the lab once had, and that the inventory has no more.
const endStrangers = async (spec: LabSpec) => {
  const entries = await readdir(layoutOf(spec).state, { withFileTypes: true })
  const strangers = entries.filter(
    (entry) => entry.isDirectory() && /^[^.]+$/.test(entry.name) && !spec.hosts.some(({ name }) => name === entry.name),
  )
  await Promise.all(strangers.map(({ name }) => removeHost(spec, { name, user: 'root', addresses: [] })))
}
