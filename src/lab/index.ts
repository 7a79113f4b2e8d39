/** Disposable Debian hosts on this machine, made to match a list of hosts. */
export { labSshConfig } from './keys.ts'
export { type LabStatus, labDown, labReset, labStatus, labUp } from './lab.ts'
export type { OnProgress } from './machine.ts'
export type { LabHost, LabSpec } from './spec.ts'
export { checkSpec } from './spec.ts'
