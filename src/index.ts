// What role authors import. Shipped roles are built from these names only, as any user's are.
export { z } from 'zod'
export { Problem } from './problem.ts'
export { commandLine, quote } from './quote.ts'
export { authorizedKeys } from './resource/authorized-keys.ts'
export { certificate, leaf, placeholder } from './resource/certificate.ts'
export { command } from './resource/command.ts'
export { commitConfirm } from './resource/commit-confirm.ts'
export type { Content, Later, LocalFile, Text } from './resource/content.ts'
export { text } from './resource/content.ts'
export { database, databaseName } from './resource/database.ts'
export { databaseAccount } from './resource/database-account.ts'
export { databaseDump } from './resource/database-dump.ts'
export { directory } from './resource/directory.ts'
export { file } from './resource/file.ts'
export { galera } from './resource/galera.ts'
export { group } from './resource/group.ts'
export type { Resource } from './resource/kind.ts'
export { defineKind } from './resource/kind.ts'
export { link } from './resource/link.ts'
export { newWorker } from './resource/loaded.ts'
export { BLOCKERS_SCRIPT as databaseBlockers, MARIADB as databaseClient } from './resource/mariadb-client.ts'
export { defeatsScript } from './resource/nft-defeats.ts'
export { nftables } from './resource/nftables.ts'
export { pkg } from './resource/package.ts'
export { passwordHash } from './resource/password.ts'
export { release } from './resource/release.ts'
export { replication } from './resource/replication.ts'
export type { UnitSettings } from './resource/sandbox.ts'
export { sandbox, settingLines } from './resource/sandbox.ts'
export { secret } from './resource/secret.ts'
export { service } from './resource/service.ts'
export { sshd } from './resource/sshd.ts'
export { Refused, succeeded } from './resource/step.ts'
export { sysctl } from './resource/sysctl.ts'
export type { SeenTrial, Trial } from './resource/trial.ts'
export { historyOf, readTrial, trialAsks, trialScript } from './resource/trial.ts'
export { dropin, slice, unit } from './resource/unit.ts'
export { unreplicated } from './resource/unreplicated.ts'
export { user } from './resource/user.ts'
export { METRICS } from './role/metrics.ts'
export { overlap } from './role/networks.ts'
export { projectFile } from './role/project-file.ts'
export type {
  Check,
  Drain,
  Exposed,
  Exposes,
  Facts,
  Flow,
  HostContext,
  HostView,
  Listen,
  Metrics,
  Peer,
  Probe,
  Role,
  SiteContext,
  SiteView,
} from './role/role.ts'
export { defineRole } from './role/role.ts'
export { Secret } from './secret.ts'
