import { bracketed, file, type HostContext, pkg, projectFile, type Resource, text } from 'provision'
import type { Copy } from './copy-options.ts'
import type { Options } from './options.ts'

/** Group that may read the credentials: that of the job. */
const BACKUP = 'provision-backup'
const DIRECTORY = '/etc/provision-backup'
const NO_AUTHORITY = 'put the certificate of the authority into that file, or remove `authority`'

const pathOf = (i: number, name: string): string => `${DIRECTORY}/copy-${i + 1}${name}`

/** Packages and credentials of the copies. Only root and the job of the backups can read a credential. */
export const copyResources = ({ options: { backups }, files }: HostContext<Options>): readonly Resource[] => {
  const copies = backups?.copies ?? []
  return [
    ...(copies.some(({ s3 }) => s3 !== undefined) ? [pkg({ name: 'rclone' }), pkg({ name: 'ca-certificates' })] : []),
    ...(copies.some(({ sftp }) => sftp !== undefined) ? [pkg({ name: 'openssh-client' })] : []),
    ...copies.flatMap((copy, i): readonly Resource[] => [...s3Resources(copy, i, files), ...sftpResources(copy, i)]),
  ]
}

const s3Resources = ({ s3 }: Copy, i: number, files: HostContext<Options>['files']): readonly Resource[] =>
  s3 === undefined
    ? []
    : [
        ...(s3.authority === undefined
          ? []
          : [file({ path: pathOf(i, '.authority.pem'), content: projectFile({ files }, s3.authority, NO_AUTHORITY) })]),
        file({
          path: pathOf(i, '.conf'),
          group: BACKUP,
          mode: '640',
          content: text`# Written by provision.
[copy]
type = s3
provider = Other
env_auth = false
endpoint = ${s3.endpoint}
region = ${s3.region}
access_key_id = ${s3.access_key}
secret_access_key = ${s3.secret_key}
no_check_bucket = true
`,
        }),
      ]

const sftpResources = ({ sftp }: Copy, i: number): readonly Resource[] => {
  if (sftp === undefined) return []
  const name = sftp.port === 22 ? sftp.host : `[${sftp.host}]:${sftp.port}`
  return [
    file({ path: pathOf(i, '.known-hosts'), content: sftp.host_keys.map((key) => `${name} ${key}\n`).join('') }),
    file({ path: pathOf(i, '.key'), group: BACKUP, mode: '640', content: text`${sftp.key}\n` }),
  ]
}

/**
 * Part of the backup script that copies `work/$name`, reads it back, and deletes old copies. `$uncopied` lists the destinations that failed,
 * which does not affect the others.
 */
export const copyScript = (copies: readonly Copy[], keepDays: number): string =>
  copies.length === 0
    ? ''
    : `uncopied=
sum=$(sha256sum <"work/$name")
# Prints the names in its input that are older than $1 days, except the three newest. The name of a backup has its time.
old() { grep -x 'database-[0-9]\\{8\\}T[0-9]\\{6\\}Z\\.sql\\.gz\\.age' | sort | head -n -3 | awk -v limit="database-$(date -u -d "$1 days ago" +%Y%m%dT%H%M%SZ)" '$0 < limit'; }
${copies.map((copy, i) => `${definitions(copy, i)}${callOf(copy, i, copy.keep_days ?? keepDays)}`).join('')}`

const definitions = (copy: Copy, i: number): string => {
  const programs = copy.s3 === undefined ? sftpPrograms(copy.sftp, i) : s3Programs(copy.s3, i)
  return `# ${placeOf(copy)}\n${programs}`
}

/** The destination, as messages name it. */
export const placeOf = ({ s3, sftp }: Copy): string =>
  s3 === undefined
    ? `sftp://${sftp?.user}@${bracketed(sftp?.host ?? '')}:${sftp?.port}/${sftp?.path}`
    : `${s3.endpoint}/${s3.bucket}/${s3.prefix}`

/** Defines `put`, `get`, `list` and `remove`, each for one destination. */
const s3Programs = ({ bucket, prefix, authority }: NonNullable<Copy['s3']>, i: number): string => {
  const trusted = authority === undefined ? '' : ` --ca-cert ${pathOf(i, '.authority.pem')}`
  return `s3() { rclone --config ${pathOf(i, '.conf')}${trusted} --quiet --retries 3 --low-level-retries 5 --contimeout 30s --timeout 5m "$@"; }
put() { s3 copyto "work/$name" "copy:${bucket}/${prefix}/$name"; }
get() { s3 cat "copy:${bucket}/${prefix}/$name"; }
list() { s3 lsf --files-only "copy:${bucket}/${prefix}/"; }
remove() { s3 deletefile "copy:${bucket}/${prefix}/$1"; }
`
}

const sftpPrograms = (sftp: Copy['sftp'], i: number): string => {
  if (sftp === undefined) return ''
  const { user, host, port, path } = sftp
  return `ssh_file() { printf '%s\\n' "$@" | sftp -b - -F none -i ${pathOf(i, '.key')} -P ${port} -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes \\
  -o UserKnownHostsFile=${pathOf(i, '.known-hosts')} -o GlobalKnownHostsFile=none -o ConnectTimeout=30 -o ServerAliveInterval=15 -o ServerAliveCountMax=4 '${user}@${bracketed(host)}'; }
put() { ssh_file "put work/$name ${path}/.$name.part" "rename ${path}/.$name.part ${path}/$name" >work/said; }
get() { ssh_file "get ${path}/$name work/back" >work/said && cat work/back && rm -f work/back; }
list() { ssh_file "ls -1 ${path}/database-*" >work/said && sed 's|.*/||' work/said; }
remove() { ssh_file "rm ${path}/$1" >work/said; }
`
}

/** Defines and runs a function that copies, reads back and deletes. It ends at the first failure. */
const callOf = (copy: Copy, i: number, days: number): string => `copy_${i + 1}() {
  put || { echo 'the copy was not stored' >&2; return 1; }
  [ "$(get | sha256sum)" = "$sum" ] || { echo 'the stored copy differs from the backup' >&2; return 1; }
${
  days === 0
    ? ''
    : `  list >work/listed || { echo 'the stored copies cannot be listed' >&2; return 1; }
  old ${days} <work/listed | while read -r past; do remove "$past" || { echo "$past cannot be deleted" >&2; exit 1; }; done || return 1
`
}}
copy_${i + 1} || uncopied="$uncopied ${placeOf(copy)}"
`

/** Fails the job, after everything else, if a copy failed. */
export const requireCopies = (copies: readonly Copy[]): string =>
  copies.length === 0 ? '' : `[ -z "$uncopied" ] || fail "the backup is stored, but not copied to$uncopied"\n`
