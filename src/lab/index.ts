/** Disposable Debian hosts on this machine, created to match a list of hosts. */
export { type Authority, authorityOf } from './authority.ts'
export { boot, cutOff, end, leaderOf, overlayOf, reboot, reconnect } from './control.ts'
export { keyFile, labSshConfig } from './keys.ts'
export { DEFAULT_RELEASE, type LabStatus, labDown, labReset, labStatus, labUp } from './lab.ts'
export type { OnProgress } from './machine/machine.ts'
export { checkSpec, type LabHost, type LabSpec, layoutOf } from './spec.ts'
