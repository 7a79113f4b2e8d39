import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Programs that change the file at a path, as scripts for hosts use them. */
const BARE =
  /(?<![\w-])(rm|rmdir|mv|cp|ln|chmod|chown|chgrp|install|mkdir|touch|tar|tee|dd|truncate|mkfifo|sed -i)\s+(-[a-zA-Z]|["$/]|\.\.?\/)/

const OURS = 'only in directories of root’s that no role chooses: /var/lib/provision, /run/provision, /etc'
const TEXT = 'a sentence or a setting, not a script'
const WALK = 'in a program of `walk.ts`, relative to a directory it has entered'
const GUARDED = 'behind `guardScript`: root alone can replace what lies there'

/**
 * Files whose scripts may use such programs, with the reason why only root can replace their paths. All others use `walk.ts`: by
 * descriptor, or as the account that owns the place.
 */
const ALLOWED: Readonly<Record<string, string>> = {
  'src/engine/observe/own-facts.ts': 'in the directory of the session below /run',
  'src/engine/observe/session.ts': OURS,
  'src/host/shell/lock.ts': OURS,
  'src/host/shell/answer-loop.ts': OURS,
  'src/resource/package/apt-functions.ts': OURS,
  'src/resource/apt/debconf.ts': OURS,
  'src/resource/apt/repository-apply.ts': OURS,
  'src/resource/account/as-user/make-keys.ts': 'as the account whose home it is, with its rights only',
  'src/resource/account/authorized-keys-apply.ts': OURS,
  'src/resource/account/home.ts': 'in a directory that was entered and that root alone controls, before the copy belongs to the user',
  'src/resource/account/user-password.ts': OURS,
  'src/resource/account/user.ts': 'entries in directories of cron and systemd, which `rm` deletes without following them',
  'src/resource/application/php/fpm.ts': 'as the account of the application, in its state directory',
  'src/resource/build/apply.ts': GUARDED,
  'src/resource/build/tree-programs.ts': GUARDED,
  'src/resource/build/run-command.ts': GUARDED,
  'src/resource/certificate/apply.ts': GUARDED,
  'src/resource/certificate/former-script.ts': GUARDED,
  'src/resource/container/quadlet.ts': 'in the directory of the session below /run',
  'src/resource/control/execute.ts': 'in the directory of the session below /run',
  'src/resource/control/reboot.ts': OURS,
  'src/resource/control/wait-checks.ts': 'in the directory of the session below /run',
  'src/resource/control/record.ts': OURS,
  'src/resource/guarded/commit-confirm.ts': OURS,
  'src/resource/guarded/login.ts': OURS,
  'src/resource/database/dump.ts': OURS,
  'src/resource/fetched/fetch.ts': 'in /var/cache/provision-fetch, which only root can replace',
  'src/resource/fetched/archive-apply.ts': GUARDED,
  'src/resource/fetched/download-apply.ts': OURS,
  'src/resource/fetched/git-command.ts': OURS,
  'src/resource/fetched/git-apply.ts': 'as the account that owns the checkout, or in /var/lib/provision',
  'src/resource/fetched/carry.ts': WALK,
  'src/resource/fetched/tree.ts': GUARDED,
  'src/resource/fetched/unpacked.ts': WALK,
  'src/resource/file/directory.ts': WALK,
  'src/resource/tree/delete.ts': WALK,
  'src/resource/wireguard/apply.ts': GUARDED,
  'src/resource/ownership/drained.ts': OURS,
  'src/resource/file/apply.ts': OURS,
  'src/resource/file/backup.ts': GUARDED,
  'src/resource/file/candidate.ts': OURS,
  'src/resource/file/link.ts': OURS,
  'src/resource/file/sudoers.ts': OURS,
  'src/resource/file/place.ts': 'in a directory that was entered, and whose real path is the listed one',
  'src/resource/file/write.ts': OURS,
  'src/resource/galera/apply.ts': OURS,
  'src/resource/package/hold.ts': OURS,
  'src/resource/package/transaction.ts': OURS,
  'src/resource/package/simulate.ts': OURS,
  'src/resource/ownership/apply.ts': OURS,
  'src/resource/service/load.ts': OURS,
  'src/resource/nftables/apply.ts': OURS,
  'src/resource/ownership/record.ts': OURS,
  'src/resource/release/apply.ts': GUARDED,
  'src/resource/replication/mark.ts': 'as the account mysql, which owns the data directory',
  'src/resource/replication/seed.ts': OURS,
  'src/resource/service/compare.ts': OURS,
  'src/resource/service/apply.ts': OURS,
  'src/resource/sshd/apply.ts': OURS,
  'src/resource/system/mount-apply.ts': GUARDED,
  'src/resource/system/swap-apply.ts': GUARDED,
  'src/resource/system/kernel-module.ts': OURS,
  'src/resource/system/logrotate.ts': OURS,
  'src/resource/system/sysctl.ts': OURS,
  'src/resource/guarded/trial.ts': OURS,
  'src/resource/file/undo.ts': 'files of a set, which are placed only where root alone can replace them',
  'src/resource/service/unit.ts': OURS,
  'src/os-error.ts': TEXT,
  'src/role/files.ts': TEXT,
  'src/role/load/load-failure.ts': TEXT,
  'roles/backup/script.ts': 'in the state directory that systemd made for it',
  'roles/base/reduce.ts': TEXT,
  'roles/base/report.ts': OURS,
  'roles/base/syslog.ts': OURS,
  'roles/haproxy-tls/certificates/renewal.ts': OURS,
  'roles/haproxy-tls/certificates/revocation.ts': OURS,
  'roles/haproxy-tls/virtual-address/virtual-address.ts': OURS,
  'roles/monitoring/checks/job.ts': OURS,
  'roles/monitoring/checks/own.ts': OURS,
  'roles/monitoring/checks/script.ts': 'in the state directory that systemd made for it',
  'roles/monitoring/rules/runbooks.ts': TEXT,
  'src/role/package/packages.ts': TEXT,
  'roles/mysql/backup.ts': 'in a directory below root’s own, made for this job',
  'roles/mysql/backup-script.ts': 'as the account provision-backup, in its own directory',
  'roles/mysql/copies.ts': 'as the account provision-backup, in its own directory',
  'roles/mysql/moment-script.ts': 'as the account provision-backup, in its own directory',
  'roles/mysql/opener.ts': 'as the account mysql, in a temporary directory of its unit',
  'roles/mysql/server.ts': OURS,
  'roles/mysql/software.ts': OURS,
  'roles/mysql/upgrade.ts': 'as the account mysql, in its own directory',
  'roles/postgresql/replication.ts': 'as the account postgres, in the directory of its data',
  'roles/postgresql/validation.ts': 'as the account postgres, in a temporary directory',
  'roles/redis/script.ts': 'as the account of the server, in its own directory',
  'roles/mysql/validation.ts': 'as the account mysql, in a directory that it made for this',
}

/** Runs on the user's own machine. */
const isOfHosts = (path: string): boolean => !/^src\/(lab|cli|report|site|keystore|authority|acme)\//.test(path)

it('programs that change files by path are used only where only root can replace them', () => {
  const using = globSync('{src,roles}/**/*.ts', { cwd: root })
    .filter(isOfHosts)
    .filter((path) =>
      readFileSync(join(root, path), 'utf8')
        .split('\n')
        .some((line) => !/^\s*(\/\/|\*|\/\*|fix:|why:|what:)/.test(line) && BARE.test(line)),
    )
  expect(using.toSorted()).toEqual(Object.keys(ALLOWED).toSorted())
})
