import {
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
import { bracketed } from './config.ts'
import { type Cast, castOf, type Options } from './options.ts'

export const BACKUP = 'provision-backup'
const PKI = { directory: '/etc/provision-backup', pair: '/etc/provision-backup/host.pem', trusted: '/etc/provision-backup/authority.pem' }
const RUNS = 'provision-database-backup'
const STORES = 'provision-database-store'
/** Metrics of the backups, for monitoring and for `provision verify`. */
export const TOLD = `${METRICS}/database-backup/database-backup.prom`
const STORE = `/var/lib/${STORES}`
const SCRIPTS = '/usr/local/lib/provision'

/** Which server makes the backups: the last, which applications write to least. */
export const backupHost = ({ backups }: Options, { servers }: Cast): HostView | undefined =>
  backups === undefined ? undefined : servers.at(-1)

/** Which host keeps them; undefined where the server that makes them does. */
export const storeHost = ({ backups, arbitrators }: Options, site: SiteView): HostView | undefined =>
  backups === undefined || backups.store === 'here' ? undefined : site.group(backups.store ?? arbitrators)[0]

/** Where the store is found by the server that sends to it. */
export const storeAddress = (keeper: HostView, { servers, arbitrators }: Cast): string =>
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

/** On the server that makes backups: a timer, and what it runs. */
export const backupResources = (context: HostContext<Options>): readonly Resource[] => {
  const { options: given, site, authority } = context
  const cast = castOf(given, site)
  if (given.backups === undefined) return []
  const keeper = storeHost(given, site)
  if (keeper !== undefined) mustTake(keeper, context)
  const store = keeper && {
    address: bracketed(storeAddress(keeper, cast)),
    name: authority({ domain: 'database' }).nameOf(keeper.name),
    port: given.backups.port,
  }
  const script = file({
    path: `${SCRIPTS}/database-backup`,
    mode: '755',
    content: backupScript({ recipients: given.backups.recipients, store, keepDays: given.backups.keep_days, pki: PKI }),
  })
  const told = file({ path: `${SCRIPTS}/database-backup-told`, mode: '755', content: TOLD_SCRIPT })
  const job = unit({
    name: `${RUNS}.service`,
    content: `# Written by provision.
[Unit]
Description=Saves all databases, and proves that they come back
After=mariadb.service

[Service]
Type=oneshot
ExecStart=${SCRIPTS}/database-backup
SuccessExitStatus=${NOTHING}
# Runs as root in the sandbox of this unit. systemd passes the result, and the account of the backups cannot write the file.
ExecStopPost=!${SCRIPTS}/database-backup-told
User=${BACKUP}
Group=${BACKUP}
StateDirectory=${RUNS}
StateDirectoryMode=0700
Nice=10
IOSchedulingClass=idle
CPUWeight=20
TimeoutStartSec=12h
${settingLines(sandbox({ network: store === undefined ? 'none' : 'all' }, { ReadWritePaths: `${METRICS}/database-backup` }))}`,
  })
  const timer = unit({
    name: `${RUNS}.timer`,
    content: `# Written by provision.
[Unit]
Description=When all databases are saved

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
    directory({ path: METRICS }),
    directory({ path: `${METRICS}/database-backup` }),
    script,
    told,
    job,
    timer,
    service({ unit: `${RUNS}.timer`, restarts: [timer], reload: 'restart' }),
  ]
}

/** Who keeps backups says so by what it listens on, if it has `backups` among its own options. */
const mustTake = (keeper: HostView, { host, flows, options: { backups } }: HostContext<Options>): void => {
  const isThere = flows.some((flow) => flow.host === keeper.name && flow.service === 'database-store' && flow.port === backups?.port)
  if (isThere) return
  throw new Problem({
    class: 'input',
    where: { host: host.name, role: 'mysql' },
    what: `sends its backups to ${keeper.name}, whose own options take none`,
    why: `${keeper.name} has mysql.backups neither from its groups nor of its own, or another port in it, or no play binds the role to it`,
    fix: `write mysql.backups where both have it, such as the vars of the whole inventory; or \`store: here\``,
  })
}

/** In the server: it may read everything, and change nothing. */
export const backupAccount = (cast: Cast, me: string): Resource =>
  databaseAccount({
    user: BACKUP,
    host: 'localhost',
    grants: [{ on: '*.*', privileges: ['SELECT', 'SHOW VIEW', 'TRIGGER', 'EVENT', 'LOCK TABLES', 'RELOAD', 'PROCESS'] }],
    me,
    servers: [...cast.told],
  })

/** On the host that keeps backups of others. It cannot read them. */
export const storeResources = (context: HostContext<Options>): readonly Resource[] => {
  const { options: given, host, site } = context
  const cast = castOf(given, site)
  if (given.backups === undefined) return []
  const base = common(context, 'server')
  const address = addressOf(host, { servers: cast.servers, arbitrators: [...cast.arbitrators, host] })
  const script = file({ path: `${SCRIPTS}/database-receive`, mode: '755', content: receiveScript(STORE, given.backups.keep_days) })
  const kind = address.includes(':') ? 'pf=ip6' : 'pf=ip4'
  const job = unit({
    name: `${STORES}.service`,
    content: `# Written by provision.
[Unit]
Description=Keeps encrypted backups of databases
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/bin/socat OPENSSL-LISTEN:${given.backups.port},bind=${bracketed(address)},${kind},reuseaddr,fork,max-children=4,cert=${PKI.pair},key=${PKI.pair}.key,cafile=${PKI.trusted},verify=1 EXEC:${SCRIPTS}/database-receive
User=${BACKUP}
Group=${BACKUP}
StateDirectory=${STORES}
StateDirectoryMode=0700
# socat's own way to end when it is asked to.
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

const TOLD_SCRIPT = `#!/bin/sh
# Written by provision. Whether the last backup was a good one, and when there was one, as metrics.
f=${TOLD}
good=0; [ "$SERVICE_RESULT" != success ] || good=1
if [ "$SERVICE_RESULT $EXIT_STATUS" = 'success 0' ]; then at=$(date +%s); else at=$(sed -n 's/^provision_backup_done_seconds //p' $f 2>/dev/null); fi
umask 022
printf '%s\\n' '# HELP provision_restore_test_ok Whether the last backup was brought back and found whole.' '# TYPE provision_restore_test_ok gauge' "provision_restore_test_ok $good" \\
  '# HELP provision_backup_done_seconds When there was a good one.' '# TYPE provision_backup_done_seconds gauge' "provision_backup_done_seconds \${at:-0}" >$f.new &&
mv -f $f.new $f
`
