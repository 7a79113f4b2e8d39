import { METRICS, quote } from 'provision'
import type { Options } from './options.ts'

const DIRECTORY = '/etc/provision-backup-files'
export const PATHS = {
  directory: DIRECTORY,
  password: `${DIRECTORY}/password`,
  environment: `${DIRECTORY}/environment`,
  key: `${DIRECTORY}/ssh-key`,
  knownHosts: `${DIRECTORY}/known_hosts`,
  exclude: `${DIRECTORY}/exclude`,
  paths: `${DIRECTORY}/paths`,
  script: '/usr/local/lib/provision/backup',
  state: '/var/lib/provision-backup-files',
  cache: '/var/cache/provision-backup-files',
  result: `${METRICS}/backup/backup.prom`,
} as const

/** Files in the directory of the job that every backup contains. */
const DUMPS = `${PATHS.state}/dumps`
/** The largest file that a run restores as a sample. */
const SAMPLE_SIZE = '64M'

const keepOptions = ({ keep }: Options): string =>
  Object.entries(keep)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `--keep-${name} ${count}`)
    .join(' ')

// A dump that fails leaves no file, so the backup fails before it begins.
const dumpLines = ({ dumps }: Options): string =>
  Object.entries(dumps)
    .map(
      ([name, { command, user }]) =>
        `  as ${quote(user)} ${quote(command)} >${quote(`${DUMPS}/${name}`)} || stop ${quote(`the dump ${name} failed`)}\n`,
    )
    .join('')

/** Program that makes backups, tests them by restoring a sample, and runs restic for an administrator. */
export const backupScript = (given: Options): string => `#!/bin/sh
# Written by provision. Makes and tests backups, or runs restic with their repository: "backup restic snapshots".
set -u
umask 077
stop() { printf '%s\\n' "$1" >&2; exit 1; }

# The values are used as they are: no shell reads them.
while IFS= read -r line; do export "\${line?}"; done <${PATHS.environment}
RESTIC_REPOSITORY=${quote(given.repository)}
RESTIC_PASSWORD_FILE=${PATHS.password}
RESTIC_CACHE_DIR=${PATHS.cache}
export RESTIC_REPOSITORY RESTIC_PASSWORD_FILE RESTIC_CACHE_DIR

call() {
${given.ssh === undefined ? '  restic "$@" </dev/null' : `  restic -o sftp.command=${quote(sshCommand(given.repository))} "$@" </dev/null`}
}

make() {
  began=$(date +%s)
  rm -rf ${DUMPS} ${PATHS.state}/restored ${PATHS.state}/sample || exit 1
  mkdir ${DUMPS} || exit 1
  # Differs in each backup, so a file that was restored from another backup is detected.
  head -c 4096 /dev/urandom >${DUMPS}/.proof || exit 1
${dumpLines(given)}
  if ! answer=$(call cat config 2>&1); then
    # A repository that cannot be reached, or has another password, refuses this as well.
    call init >/dev/null || stop "$answer"
  fi
  call unlock >/dev/null || stop 'old locks of the repository were not removed'
  call backup --quiet --host "$(hostname)" --tag provision --exclude-file ${PATHS.exclude} --files-from-verbatim ${PATHS.paths} ${DUMPS} || stop 'the backup is not complete'
  prove || exit 1
  call forget --quiet --host "$(hostname)" --tag provision --group-by host,tags ${keepOptions(given)} --prune || stop 'old backups were not deleted'
  rm -rf ${DUMPS} ${PATHS.state}/restored ${PATHS.state}/sample
}

# Runs a command as another account, without privileges of root.
as() { setpriv --reuid "$1" --regid "$(id -g -- "$1")" --init-groups --no-new-privs /bin/sh -c "$2" </dev/null; }

# Files of the backup that did not change since it began.
sample() {
  call ls latest --host "$(hostname)" --tag provision | grep '^/' | grep -v '[][*?\\\\]' | grep -v '^${PATHS.state}/' | shuf -n $((${given.sample} * 20)) | while IFS= read -r path; do
    find "$path" -maxdepth 0 -type f -size -${SAMPLE_SIZE} ! -perm /6000 ! -newermt "@$began" 2>/dev/null
  done | head -n ${given.sample}
}

# Restores the dumps and a sample of files from the repository, and compares them. The comparison decides, not the status of restic.
prove() {
  sample >${PATHS.state}/sample
  set --
  while IFS= read -r path; do set -- "$@" --include "$path"; done <${PATHS.state}/sample
  call restore latest --host "$(hostname)" --tag provision --target ${PATHS.state}/restored --include ${DUMPS} "$@" >/dev/null
  diff -r ${DUMPS} ${PATHS.state}/restored${DUMPS} || stop 'restored dumps differ'
  compared=0
  while IFS= read -r path; do
    if ! timeout 60 cmp -s "$path" "${PATHS.state}/restored$path"; then
      [ -n "$(find "$path" -maxdepth 0 -newermt "@$began" 2>/dev/null)" ] || [ ! -e "$path" ] || stop "$path differs in the backup"
    fi
    compared=$((compared+1))
  done <${PATHS.state}/sample
  printf 'restored and compared: the dumps, and %s files\\n' "$compared"
}

case \${1-} in
  make) make ;;
  restic) shift; call "$@" ;;
  *) stop 'usage: backup make | backup restic WORDS' ;;
esac
`

/** The command of ssh for restic: only our key and our known hosts. */
const sshCommand = (repository: string): string => {
  const destination = /^sftp:([^:]+):/.exec(repository)?.[1] ?? ''
  return `ssh -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=${PATHS.knownHosts} -o GlobalKnownHostsFile=/dev/null -o ServerAliveInterval=15 -i ${PATHS.key} ${destination} -s sftp`
}

export const RESULT_SCRIPT = `#!/bin/sh
# Written by provision. Writes the result of the last backup as metrics.
f=${PATHS.result}
good=0; [ "$SERVICE_RESULT" != success ] || good=1
if [ "$good" = 1 ]; then at=$(date +%s); else at=$(sed -n 's/^provision_backup_done_seconds.* //p' $f 2>/dev/null); fi
umask 022
printf '%s\\n' '# HELP provision_restore_test_ok Whether the last backup passed its restore test.' '# TYPE provision_restore_test_ok gauge' "provision_restore_test_ok{backup=\\"files\\"} $good" \\
  '# HELP provision_backup_done_seconds Time of the last good backup.' '# TYPE provision_backup_done_seconds gauge' "provision_backup_done_seconds{backup=\\"files\\"} \${at:-0}" >$f.new &&
mv -f $f.new $f
`
