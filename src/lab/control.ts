import { setTimeout as sleep } from 'node:timers/promises'
import * as host from './host.ts'
import { plugIn, unplug } from './network.ts'
import { hostOf, type LabSpec, layoutOf } from './spec.ts'

/** Reboots a host by its systemd and waits until it answers again. */
export const reboot = (spec: LabSpec, name: string): Promise<void> => host.rebootHost(spec, hostOf(spec, name))

/** Drops all packets from and to a host silently. */
export const cutOff = (spec: LabSpec, name: string): Promise<void> => unplug(layoutOf(spec), hostOf(spec, name))

/** Reverts `cutOff`. */
export const reconnect = (spec: LabSpec, name: string): Promise<void> => plugIn(layoutOf(spec), hostOf(spec, name))

/** Kills all processes of a host at once, as a power cut does. Its disk is kept. */
export const end = (spec: LabSpec, name: string): Promise<void> => host.endHost(spec, hostOf(spec, name))

/** Boots a stopped host and waits until it answers. */
export const boot = async (spec: LabSpec, name: string): Promise<void> => {
  const started = hostOf(spec, name)
  await host.startHost(spec, started)
  await host.untilReady(spec, started)
}

/** The directory on this machine with the host's changes to the base image. */
export const overlayOf = (spec: LabSpec, name: string): string => host.overlayOf(spec, hostOf(spec, name))

/** The process id of the host's PID 1 on this machine, for `nsenter --target`. */
export const leaderOf = async (spec: LabSpec, name: string): Promise<number> => {
  for (let left = 100; ; left--) {
    const leader = await host.leaderOf(spec, hostOf(spec, name))
    if (leader !== undefined) return leader
    if (left === 0) throw new Error(`${name} is not running`)
    await sleep(50)
  }
}
