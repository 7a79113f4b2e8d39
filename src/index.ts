// The API for role authors. Shipped roles use only these names and those of kind.ts, as the roles of users do.
export { z } from 'zod'
export { directoryUrl } from './acme/directory.ts'
export { Problem } from './problem.ts'
export { authorizedKeys } from './resource/account/authorized-keys.ts'
export { group } from './resource/account/group.ts'
export { passwordHash } from './resource/account/password.ts'
export { user } from './resource/account/user.ts'
export { userPassword } from './resource/account/user-password.ts'
export { application } from './resource/application/application.ts'
export { applicationFaults } from './resource/application/faults.ts'
export type { ApplicationOptions } from './resource/application/options.ts'
export { applicationShape } from './resource/application/options.ts'
export { phpAnswering } from './resource/application/php/health.ts'
export type { ReadyPhp } from './resource/application/php/ready.ts'
export { readyPhp } from './resource/application/php/ready.ts'
export { applicationSocket, applicationUnit } from './resource/application/unit.ts'
export { debconf } from './resource/apt/debconf.ts'
export { aptPin } from './resource/apt/pin.ts'
export { aptRepository } from './resource/apt/repository.ts'
export { build } from './resource/build/build.ts'
export { certificate, leaf, placeholder } from './resource/certificate/certificate.ts'
export { formerCertificates } from './resource/certificate/former.ts'
export type { ContainerOptions } from './resource/container/container.ts'
export { container } from './resource/container/container.ts'
export { quadlet } from './resource/container/quadlet.ts'
export { command } from './resource/control/command.ts'
export { reboot } from './resource/control/reboot.ts'
export { script } from './resource/control/script.ts'
export { wait } from './resource/control/wait.ts'
export { databaseAccount } from './resource/database/account.ts'
export { accountFaults, refuseInvalidAccount } from './resource/database/account-spec.ts'
export {
  charset as databaseCharset,
  charsetFault,
  collation as databaseCollation,
  refuseOtherCharset,
} from './resource/database/charset.ts'
export { blockersScript as databaseBlockers, clientOf as databaseClient } from './resource/database/client.ts'
export { database, databaseName } from './resource/database/database.ts'
export { databaseDump } from './resource/database/dump.ts'
export {
  DATA_DIRECTORIES as databaseDirectories,
  DEFINE_DATA as defineDatabaseDirectory,
  KEEPS_DATA as keepsDatabaseDirectory,
} from './resource/database/mariadb.ts'
export { archive } from './resource/fetched/archive.ts'
export { download } from './resource/fetched/download.ts'
export { git } from './resource/fetched/git.ts'
export { directory } from './resource/file/directory.ts'
export { file } from './resource/file/file.ts'
export { link } from './resource/file/link.ts'
export { permissions } from './resource/file/permissions.ts'
export { galera } from './resource/galera/galera.ts'
export { bracketed } from './resource/kind/address.ts'
export type { Content, Later, LocalFile, Text } from './resource/kind/content.ts'
export { text } from './resource/kind/content.ts'
export type { Resource } from './resource/kind/kind.ts'
export { defineKind } from './resource/kind/kind.ts'
export { secret } from './resource/kind/secret.ts'
export { HostRefusal, requireSuccess } from './resource/kind/step.ts'
export { defeatsScript } from './resource/nftables/conflicts.ts'
export { nftables } from './resource/nftables/nftables.ts'
export type { OptionFault } from './resource/option/fault.ts'
export { httpUserList, httpUsers, httpUsersFile } from './resource/option/http-users.ts'
export { network } from './resource/option/network.ts'
export { type Access, accessOf, accessOptions, partAccessOptions, partsAbove, usersByPart } from './resource/option/site-access.ts'
export { partPath, redirect, redirectedParts, redirects, unquotedPath, withoutStars } from './resource/option/site-paths.ts'
export { pkg } from './resource/package/package.ts'
export { upgrade } from './resource/package/upgrade.ts'
export { block } from './resource/part/block.ts'
export { line } from './resource/part/line.ts'
export { setting } from './resource/part/setting.ts'
export { postgresqlDatabase } from './resource/postgresql/database.ts'
export { postgresqlExtension } from './resource/postgresql/extension.ts'
export { postgresqlRole } from './resource/postgresql/role.ts'
export { release } from './resource/release/release.ts'
export { replication } from './resource/replication/replication.ts'
export { unreplicated } from './resource/replication/unreplicated.ts'
export { newWorker } from './resource/service/load.ts'
export type { UnitSettings } from './resource/service/sandbox.ts'
export { sandbox, settingLines } from './resource/service/sandbox.ts'
export { service } from './resource/service/service.ts'
export { dropin, slice, unit } from './resource/service/unit.ts'
export { sshd } from './resource/sshd/sshd.ts'
export { alternatives } from './resource/system/alternatives.ts'
export { cron } from './resource/system/cron.ts'
export { hostname } from './resource/system/hostname.ts'
export { kernelModule } from './resource/system/kernel-module.ts'
export { limits } from './resource/system/limits.ts'
export { locale } from './resource/system/locale.ts'
export { logrotate } from './resource/system/logrotate.ts'
export { mount } from './resource/system/mount.ts'
export { sudoers } from './resource/system/sudoers.ts'
export { swap } from './resource/system/swap.ts'
export { sysctl } from './resource/system/sysctl.ts'
export type { TimerOptions } from './resource/system/timer.ts'
export { timer } from './resource/system/timer.ts'
export { timezone } from './resource/system/timezone.ts'
export { tree } from './resource/tree/tree.ts'
export { wireguard } from './resource/wireguard/wireguard.ts'
export { listensOf, peerOf } from './role/flow/published.ts'
export type { ReplicatedMembers, ReplicatedOptions } from './role/flow/replicated.ts'
export { isReplicatedServer, replicatedMembers } from './role/flow/replicated.ts'
export { METRICS } from './role/metrics.ts'
export { overlap } from './role/networks.ts'
export { projectFile } from './role/project-file.ts'
export type {
  Check,
  Connection,
  Drain,
  Exposed,
  Exposes,
  Facts,
  Flow,
  FlowContext,
  HealthProbe,
  HostContext,
  HostView,
  Listen,
  Metrics,
  Peer,
  Role,
  ServedSite,
  SiteContext,
  SiteProbe,
  SiteView,
} from './role/role.ts'
export { defineRole } from './role/role.ts'
export { template } from './role/template/template.ts'
export { Secret } from './secret/secret.ts'
export { commandLine, quote } from './shell/quote.ts'
export { raw, Script } from './shell/script.ts'
export { glob, hereDocument, join, sh } from './shell/sh.ts'
