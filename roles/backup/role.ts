import {
  type Check,
  defineRole,
  directory,
  file,
  METRICS,
  pkg,
  type Resource,
  type SiteContext,
  sandbox,
  service,
  settingLines,
  sh,
  type Text,
  text,
  unit,
} from 'provision'
import { type Options, options } from './options.ts'
import { backupScript, PATHS, RESULT_SCRIPT } from './script.ts'

const JOB = 'provision-backup'
const RESULT = '/usr/local/lib/provision/backup-result'

/** Encrypted backups of directories and dumps (restic), tested by restoring a sample of each. */
export default defineRole({
  name: 'backup',
  summary: 'encrypted backups of directories and dumps (restic), tested by restoring a sample',
  options,

  check: ({ options: given }: SiteContext<Options>) => {
    const isSftp = given.repository.startsWith('sftp:')
    const inside = given.paths.findIndex((path) => given.repository === path || given.repository.startsWith(`${path === '/' ? '' : path}/`))
    return [
      ...(given.paths.length === 0 && Object.keys(given.dumps).length === 0
        ? [{ path: ['paths'], what: 'nothing is backed up', fix: 'add `paths` or `dumps`' }]
        : []),
      ...(isSftp && given.ssh === undefined
        ? [{ path: ['ssh'], what: 'a repository by SFTP needs a login', fix: 'add `ssh` with `key` and `known_hosts`' }]
        : []),
      ...(!isSftp && given.ssh !== undefined
        ? [{ path: ['ssh'], what: 'the repository does not use SSH', fix: 'remove `ssh`, or write a repository that begins with sftp:' }]
        : []),
      ...(inside >= 0
        ? [
            {
              path: ['paths', inside],
              what: `${given.paths[inside]} contains the repository, so each backup would contain all others`,
              fix: 'name the directories beside the repository, or move it',
            },
          ]
        : []),
    ]
  },

  resources: ({ options: given, warn }) => {
    if (given.repository.startsWith('/'))
      warn('backups are stored on this host and would be lost with it; set a remote `repository` under backup')
    const script = file({ path: PATHS.script, mode: '755', content: backupScript(given) })
    const job = unit({ name: `${JOB}.service`, content: jobText(given) })
    const timer = unit({ name: `${JOB}.timer`, content: timerText(given) })
    return [
      pkg({ name: 'restic' }),
      ...(given.ssh === undefined ? [] : [pkg({ name: 'openssh-client' })]),
      ...(/^(s3|rest):/.test(given.repository) ? [pkg({ name: 'ca-certificates' })] : []),
      directory({ path: PATHS.directory, mode: '700' }),
      file({ path: PATHS.password, mode: '600', content: text`${given.password}\n` }),
      file({ path: PATHS.environment, mode: '600', content: environmentText(given) }),
      file({ path: PATHS.exclude, mode: '600', content: given.exclude.map((one) => `${one}\n`).join('') }),
      file({ path: PATHS.paths, mode: '600', content: given.paths.map((one) => `${one}\n`).join('') }),
      ...sshFiles(given),
      ...(given.repository.startsWith('/') ? [directory({ path: given.repository, mode: '700' })] : []),
      directory({ path: METRICS }),
      directory({ path: `${METRICS}/backup` }),
      directory({ path: '/usr/local/lib/provision' }),
      script,
      file({ path: RESULT, mode: '755', content: RESULT_SCRIPT }),
      job,
      timer,
      service({ unit: `${JOB}.timer`, restarts: [timer], reload: 'restart' }),
    ]
  },

  verify: ({ options: { max_age_hours: hours } }): readonly Check[] => [
    {
      name: 'the last backup passed its restore test and is recent',
      script: sh`
systemctl is-active -q ${`${JOB}.timer`} || { echo ${`${JOB}.timer is not active`}; exit 1; }
! systemctl is-failed -q ${`${JOB}.service`} || { journalctl -u ${`${JOB}.service`} --no-pager -o cat -n 8; exit 1; }
at=$(sed -n 's/^provision_backup_done_seconds.* //p' ${PATHS.result} 2>/dev/null)
[ $(($(date +%s) - \${at:-0})) -ge ${String(hours * 3600)} ] || exit 0
[ -z "$(find ${`/etc/systemd/system/${JOB}.timer`} -mmin ${`-${hours * 60}`})" ] || exit 0
echo ${`no good backup was made in the last ${hours} hours`}; exit 1`,
      fix: `run on the host: sudo systemctl start ${JOB}.service; journalctl -u ${JOB}.service`,
    },
  ],
})

const environmentText = ({ environment }: Options): Text => ({
  type: 'text',
  parts: Object.entries(environment).flatMap(([name, value]) => text`${name}=${value}\n`.parts),
})

const sshFiles = ({ ssh }: Options): readonly Resource[] =>
  ssh === undefined
    ? []
    : [
        file({ path: PATHS.key, mode: '600', content: text`${ssh.key}\n` }),
        file({ path: PATHS.knownHosts, mode: '600', content: ssh.known_hosts.map((line) => `${line}\n`).join('') }),
      ]

/** The job reads every file of the host, and writes only to its own directories and a local repository. */
const jobText = ({ repository, dumps }: Options): string => {
  const isLocal = repository.startsWith('/')
  const hasDumps = Object.keys(dumps).length > 0
  return `# Written by provision.
[Unit]
Description=Back up files and test the restore
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart=${PATHS.script} make
ExecStopPost=${RESULT}
StateDirectory=provision-backup-files
StateDirectoryMode=0700
CacheDirectory=provision-backup-files
CacheDirectoryMode=0700
Nice=10
IOSchedulingClass=idle
CPUWeight=20
TimeoutStartSec=12h
${settingLines(
  sandbox(
    {
      network: isLocal && !hasDumps ? 'none' : 'all',
      capabilities: [...RESTORES, ...(hasDumps ? ['CAP_SETUID', 'CAP_SETGID'] : [])],
      calls: ['@chown'],
    },
    {
      ProtectHome: 'read-only',
      ReadWritePaths: [`${METRICS}/backup`, ...(isLocal ? [repository] : [])].join(' '),
      // Programs of other accounts may compile code while they run.
      ...(hasDumps && { MemoryDenyWriteExecute: 'no' }),
    },
  ),
)}`
}

/** Reading every file, and restoring some with their owners and modes below the directory of the job. */
const RESTORES = ['CAP_DAC_READ_SEARCH', 'CAP_DAC_OVERRIDE', 'CAP_CHOWN', 'CAP_FOWNER']

const timerText = ({ schedule }: Options): string => `# Written by provision.
[Unit]
Description=Schedule of backups of files

[Timer]
OnCalendar=${schedule}
RandomizedDelaySec=10min
Persistent=yes

[Install]
WantedBy=timers.target
`
