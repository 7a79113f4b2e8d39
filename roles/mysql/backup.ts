import {
  bracketed,
  databaseAccount,
  directory,
  file,
  type HostContext,
  type HostView,
  leaf,
  METRICS,
  Problem,
  pkg,
  type Resource,
  type SiteView,
  sandbox,
  service,
  settingLines,
  text,
  unit,
  user,
} from 'provision'
import { addressOf } from './addresses.ts'
import { backupScript, NOTHING, receiveScript } from './backup-script.ts'
import { copyResources } from './copies.ts'
import { momentScript } from './moment-script.ts'
import { type Flavour, type Members, membersOf, type Options } from './options.ts'
import { softwareOf } from './software.ts'

export const BACKUP = 'provision-backup'
const PKI = { directory: '/etc/provision-backup', pair: '/etc/provision-backup/host.pem', trusted: '/etc/provision-backup/authority.pem' }
const RUNS = 'provision-database-backup'
const STORES = 'provision-database-store'
/** Directory in which backups are made and tested. */
export const BACKUP_STATE = `/var/lib/${RUNS}`
/** Script that makes the dump of a moment after a backup. */
export const MOMENT = `/usr/local/lib/provision/database-moment`
/** Metrics of the backups, for monitoring and for `provision verify`. */
export const RESULT = `${METRICS}/database-backup/database-backup.prom`
const STORE = `/var/lib/${STORES}`
const SCRIPTS = '/usr/local/lib/provision'

/** The server that makes backups: the last one, because applications prefer the first. */
export const backupHost = ({ backups }: Options, { servers }: Members): HostView | undefined =>
  backups === undefined ? undefined : servers.at(-1)

/** The host that stores backups; undefined if the server that makes them stores them itself. */
export const storeHost = ({ backups, arbitrators }: Options, site: SiteView): HostView | undefined =>
  backups === undefined || backups.store === 'here' ? undefined : site.group(backups.store ?? arbitrators)[0]

/** Address of the store, as seen by the server that makes backups. */
export const storeAddress = (keeper: HostView, { servers, arbitrators }: Members): string =>
  addressOf(keeper, { servers, arbitrators: [...arbitrators, keeper] })

const common = ({ host, authority }: HostContext<Options>, usage: 'server' | 'client') => {
  const own = authority({ domain: 'database' })
  const certificate = leaf({ path: PKI.pair, names: [own.nameOf(host.name)], authority: own, usages: [usage], group: BACKUP })
  const trusted = file({ path: PKI.trusted, content: text`${own.certificate}` })
  return [
    user({ name: BACKUP, system: true, home: '/nonexistent' }),
    pkg({ name: 'openssl' }),
    pkg({ name: 'socat' }),
    directory({ path: PKI.directory }),
    trusted,
    certificate,
    directory({ path: SCRIPTS }),
  ]
}

/** Resources of the server that makes backups: the timer and its job. */
export const backupResources = (context: HostContext<Options>): readonly Resource[] => {
  const { options: given, site, authority } = context
  const members = membersOf(given, site)
  if (given.backups === undefined) return []
  const keeper = storeHost(given, site)
  if (keeper !== undefined) requireStore(keeper, context)
  const store = keeper && {
    address: bracketed(storeAddress(keeper, members)),
    name: authority({ domain: 'database' }).nameOf(keeper.name),
    port: given.backups.port,
  }
  const script = file({
    path: `${SCRIPTS}/database-backup`,
    mode: '755',
    content: backupScript({
      flavour: given.flavour,
      ...(given.flavour === 'mariadb' && { host: context.host.name }),
      recipients: given.backups.recipients,
      store,
      copies: given.backups.copies,
      keepDays: given.backups.keep_days,
      pki: PKI,
    }),
  })
  const result = file({ path: `${SCRIPTS}/database-backup-result`, mode: '755', content: RESULT_SCRIPT })
  const job = unit({
    name: `${RUNS}.service`,
    content: `# Written by provision.
[Unit]
Description=Back up all databases and test the restore
After=${softwareOf(given.flavour).unit}

[Service]
Type=oneshot
ExecStart=${SCRIPTS}/database-backup
SuccessExitStatus=${NOTHING}
# Runs as root in the sandbox of this unit. systemd passes the result, and the account of the backups cannot write the file.
ExecStopPost=!${SCRIPTS}/database-backup-result
User=${BACKUP}
Group=${BACKUP}
StateDirectory=${RUNS}
StateDirectoryMode=0700
Nice=10
IOSchedulingClass=idle
CPUWeight=20
TimeoutStartSec=12h
${settingLines(sandbox({ network: store === undefined && given.backups.copies.length === 0 ? 'none' : 'all' }, { ReadWritePaths: `${METRICS}/database-backup` }))}`,
  })
  const timer = unit({
    name: `${RUNS}.timer`,
    content: `# Written by provision.
[Unit]
Description=Schedule of database backups

[Timer]
OnCalendar=${given.backups.schedule}
RandomizedDelaySec=10min
Persistent=yes

[Install]
WantedBy=timers.target
`,
  })
  return [
    ...common(context, 'client'),
    pkg({ name: 'age' }),
    ...copyResources(context),
    directory({ path: METRICS }),
    directory({ path: `${METRICS}/database-backup` }),
    script,
    ...(given.flavour === 'mariadb' ? [file({ path: MOMENT, mode: '755', content: momentScript(context.host.name, BACKUP_STATE) })] : []),
    result,
    job,
    timer,
    service({ unit: `${RUNS}.timer`, restarts: [timer], reload: 'restart' }),
  ]
}

/** Requires the store to accept backups. Its flow shows whether its own options have `backups`. */
const requireStore = (keeper: HostView, { host, flows, options: { backups } }: HostContext<Options>): void => {
  const isThere = flows.some((flow) => flow.host === keeper.name && flow.service === 'database-store' && flow.port === backups?.port)
  if (isThere) return
  throw new Problem({
    class: 'input',
    where: { host: host.name, role: 'mysql' },
    what: `backups go to ${keeper.name}, which does not accept them`,
    why: `the options of ${keeper.name} have no mysql.backups or another port, or no play binds the role to it`,
    fix: 'move mysql.backups to the vars of the whole inventory, or set `store: here`',
  })
}

/** Database account of the backups. It may read everything and change nothing. */
export const backupAccount = (where: { readonly me: string; readonly flavour: Flavour; readonly servers: string[] }): Resource =>
  databaseAccount({
    user: BACKUP,
    host: 'localhost',
    grants: [{ on: '*.*', privileges: [...softwareOf(where.flavour).readsAll] }],
    ...where,
  })

/** Resources of the host that stores backups. It cannot decrypt them. */
export const storeResources = (context: HostContext<Options>): readonly Resource[] => {
  const { options: given, host, site } = context
  const members = membersOf(given, site)
  if (given.backups === undefined) return []
  const base = common(context, 'server')
  const address = addressOf(host, { servers: members.servers, arbitrators: [...members.arbitrators, host] })
  const script = file({ path: `${SCRIPTS}/database-receive`, mode: '755', content: receiveScript(STORE, given.backups.keep_days) })
  const kind = address.includes(':') ? 'pf=ip6' : 'pf=ip4'
  const job = unit({
    name: `${STORES}.service`,
    content: `# Written by provision.
[Unit]
Description=Store of encrypted database backups
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/bin/socat OPENSSL-LISTEN:${given.backups.port},bind=${bracketed(address)},${kind},reuseaddr,fork,max-children=4,cert=${PKI.pair},key=${PKI.pair}.key,cafile=${PKI.trusted},verify=1 EXEC:${SCRIPTS}/database-receive
User=${BACKUP}
Group=${BACKUP}
StateDirectory=${STORES}
StateDirectoryMode=0700
# socat exits with this status on SIGTERM.
SuccessExitStatus=143
Restart=always
RestartSec=1s
${settingLines(sandbox({ network: 'all' }))}MemoryMax=256M

[Install]
WantedBy=multi-user.target
`,
  })
  return [...base, script, job, service({ unit: `${STORES}.service`, restarts: [...base.slice(4, 6), script, job], reload: 'restart' })]
}

const RESULT_SCRIPT = `#!/bin/sh
# Written by provision. Writes the result of the last backup as metrics.
f=${RESULT}
good=0; [ "$SERVICE_RESULT" != success ] || good=1
if [ "$SERVICE_RESULT $EXIT_STATUS" = 'success 0' ]; then at=$(date +%s); else at=$(sed -n 's/^provision_backup_done_seconds //p' $f 2>/dev/null); fi
umask 022
printf '%s\\n' '# HELP provision_restore_test_ok Whether the last backup passed its restore test.' '# TYPE provision_restore_test_ok gauge' "provision_restore_test_ok $good" \\
  '# HELP provision_backup_done_seconds Time of the last good backup.' '# TYPE provision_backup_done_seconds gauge' "provision_backup_done_seconds \${at:-0}" >$f.new &&
mv -f $f.new $f
`
