import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { startArchive } from './archive.ts'
import { type Authority, authorityOf, startAuthority } from './authority.ts'
import { endGroup } from './cgroup.ts'
import { endHost, leaderOf, startHost, untilReady } from './host.ts'
import { baseImage, tools } from './image.ts'
import { makeKey, writeAccess } from './keys.ts'
import { checkMachine, installNeeded, type OnProgress } from './machine.ts'
import { networkDown, networkUp } from './network.ts'
import { isPrepared, prepareHost } from './prepare.ts'
import { addressOf, checkSpec, hostOf, type LabHost, type LabSpec, layoutOf } from './spec.ts'

/** What there is of a lab. */
export interface LabStatus {
  readonly name: string
  readonly hosts: Readonly<Record<string, { readonly address: string; readonly running: boolean }>>
  readonly authority: Authority
}

/** Brings a lab up, whatever is there of it already, and answers when every host greets on port 22. */
export const labUp = async (spec: LabSpec, onProgress: OnProgress): Promise<void> => {
  checkSpec(spec)
  await checkMachine()
  await installNeeded(onProgress)
  const [image, toolsDirectory] = await Promise.all([baseImage(onProgress), tools(onProgress)])
  const layout = layoutOf(spec)
  await mkdir(layout.state, { recursive: true })
  await makeKey(spec)
  await networkUp(spec, layout)
  const services = Promise.all([startArchive(layout, toolsDirectory), startAuthority(spec, toolsDirectory)])
  const hosts = Promise.all(spec.hosts.map((host) => hostUp(spec, host, image, onProgress)))
  await Promise.all([services, hosts])
  await writeAccess(spec)
  await Promise.all(spec.hosts.map((host) => untilReady(spec, host)))
  onProgress(`${spec.hosts.map(({ name }) => name).join(', ')}: ready`)
}

/** Takes a lab down: no process, namespace, mount, interface, cgroup or overlay of it stays. The key and the roots do. */
export const labDown = async (spec: LabSpec): Promise<void> => {
  await checkMachine()
  const layout = layoutOf(spec)
  await endGroup(layout.cgroup)
  await networkDown(layout)
  await rm(layout.state, { recursive: true, force: true })
}

/** Gives hosts fresh disks, all of them or those that are named, and boots them. */
export const labReset = async (spec: LabSpec, names?: readonly string[], onProgress: OnProgress = () => {}): Promise<void> => {
  const chosen = names ? names.map((name) => hostOf(spec, name)) : spec.hosts
  await checkMachine()
  const resets = chosen.map(async (host) => {
    await endHost(spec, host)
    await rm(join(layoutOf(spec).state, host.name), { recursive: true, force: true })
  })
  await Promise.all(resets)
  await labUp(spec, onProgress)
}

/** What there is of a lab now; needs neither root nor a running lab. */
export const labStatus = async (spec: LabSpec): Promise<LabStatus> => {
  const layout = layoutOf(spec)
  const each = spec.hosts.map(
    async (host) => [host.name, { address: addressOf(host), running: (await leaderOf(spec, host)) !== undefined }] as const,
  )
  return { name: spec.name, hosts: Object.fromEntries(await Promise.all(each)), authority: authorityOf(layout) }
}

const hostUp = async (spec: LabSpec, host: LabHost, image: string, onProgress: OnProgress) => {
  if (!(await isPrepared(spec, host))) {
    await endHost(spec, host)
    onProgress(`${host.name}: new disk`)
    await prepareHost(spec, host, image)
  }
  if (await leaderOf(spec, host)) return
  onProgress(`${host.name}: booting (${host.addresses.join(', ')})`)
  await startHost(spec, host)
}
