import { setTimeout as sleep } from 'node:timers/promises'
import * as host from './host.ts'
import { plugIn, unplug } from './network.ts'
import { hostOf, type LabSpec, layoutOf } from './spec.ts'

/** Reboots a host from within, as an administrator would, and waits until it answers again. */
export const reboot = (spec: LabSpec, name: string): Promise<void> => host.rebootHost(spec, hostOf(spec, name))

/** Cuts a host's cable: what it sends and what is sent to it vanishes without a word. */
export const cutOff = (spec: LabSpec, name: string): Promise<void> => unplug(layoutOf(spec), hostOf(spec, name))

/** Mends the cable that `cutOff` cut. */
export const reconnect = (spec: LabSpec, name: string): Promise<void> => plugIn(layoutOf(spec), hostOf(spec, name))

/** Pulls a host's power plug: everything in it ends at once; its disk stays as it is. */
export const end = (spec: LabSpec, name: string): Promise<void> => host.endHost(spec, hostOf(spec, name))

/** Boots a host that was ended or shut itself down, and waits until it answers. */
export const boot = async (spec: LabSpec, name: string): Promise<void> => {
  const started = hostOf(spec, name)
  await host.startHost(spec, started)
  await host.untilReady(spec, started)
}

/** Where the host's own changes to the base image lie on this machine: every path that differs, and nothing else. */
export const overlayOf = (spec: LabSpec, name: string): string => host.overlayOf(spec, hostOf(spec, name))

/** The process id of the host's PID 1 on this machine, for `nsenter --target`. */
export const leaderOf = async (spec: LabSpec, name: string): Promise<number> => {
  for (let left = 100; ; left--) {
    const leader = await host.leaderOf(spec, hostOf(spec, name))
    if (leader !== undefined) return leader
    if (left === 0) throw new Error(`${name} does not run`)
    await sleep(50)
  }
}
