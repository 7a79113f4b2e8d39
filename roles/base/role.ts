import { defineRole, z } from 'provision'
import { accountFaults, accountPackages, accounts, accountsOf, accountsOption, departures, LISTS, moreAccountsOption } from './accounts.ts'
import { adoptedOption, foreignAccounts } from './foreign.ts'
import { journal, journalOptions } from './journal.ts'
import { kernel, kernelCheck, kernelOption } from './kernel.ts'
import { motd, motdOption } from './motd.ts'
import { assembled } from './part.ts'
import { coreDumps, coreDumpsOption, modules, modulesOption } from './reduce.ts'
import { accountChecks } from './rights.ts'
import { sessions, sessionsOptions } from './sessions.ts'
import { sftp, sftpChecks, sftpDepartures, sftpFaults, sftpMatches, sftpOption } from './sftp.ts'
import { ssh, sshChecks, sshFaults, sshOptions } from './ssh.ts'
import { syslog, syslogChecks, syslogConnections, syslogFaults, syslogOption } from './syslog.ts'
import { systemFaults, systemOptions, systemResources } from './system.ts'
import { time, timeChecks, timeOptions } from './time.ts'
import { codeChecks, codeFaults } from './two-factor.ts'
import { updates, updatesChecks, updatesOptions } from './updates.ts'

const options = z.strictObject({
  administrators: accountsOption,
  more_administrators: moreAccountsOption,
  adopted_accounts: adoptedOption,
  sftp_accounts: sftpOption,
  ssh: sshOptions,
  ...systemOptions,
  motd: motdOption,
  updates: updatesOptions,
  time: timeOptions,
  kernel: kernelOption,
  journal: journalOptions,
  syslog: syslogOption,
  sessions: sessionsOptions,
  core_dumps: coreDumpsOption,
  blocked_modules: modulesOption,
})

/** Basic hardening that every server on the internet needs. */
export default defineRole({
  name: 'base',
  summary: 'SSH keys only, security updates, time synchronisation, a hardened kernel, administrator accounts',
  options,

  check: ({ options, host }) => [
    ...accountFaults(options, host),
    ...sshFaults(options.ssh, host, accountsOf(options)),
    ...sftpFaults(options, host, accountsOf(options)),
    ...LISTS.flatMap((option) => codeFaults(options[option], host, options.ssh, option)),
    ...systemFaults(options),
    ...syslogFaults(options.syslog),
  ],

  connects: ({ options }) => syslogConnections(options.syslog),

  resources: ({ options, facts, files, host, site, wasDeclared = () => false, warn }) => {
    if (facts.container) warn('container: clock and non-network kernel settings are managed by the machine it runs on, skipped here')
    const people = accountsOf(options)
    return [
      // First, because these rights must be removed even if a later change fails.
      ...departures(people),
      ...sftpDepartures(options.sftp_accounts),
      foreignAccounts({
        declared: [host.user, ...[...people, ...options.sftp_accounts].map(({ name }) => name)],
        adopted: options.adopted_accounts,
      }),
      ...systemResources(options, host),
      ...assembled([
        { packages: accountPackages(people) },
        updates(options.updates, { facts, host, site }),
        time(options.time, facts),
        sessions(options.sessions, options.core_dumps),
        coreDumps(options.core_dumps),
        modules(options.blocked_modules),
        journal(options.journal),
        syslog(options.syslog, { facts, files, wasDeclared }),
        motd(options.motd),
      ]),
      ...kernel(options.kernel, options.core_dumps, facts),
      ...accounts(people),
      ...sftp(options.sftp_accounts),
      // Last, because the new accounts must exist before sshd is restricted.
      ...ssh(options.ssh, facts, { people, match: sftpMatches(options.sftp_accounts), wasDeclared }),
    ]
  },

  verify: ({ options }) => [
    ...sshChecks(options.ssh),
    ...updatesChecks(options.updates),
    ...timeChecks(options.time),
    kernelCheck(options.kernel, options.core_dumps),
    ...accountChecks(accountsOf(options)),
    ...sftpChecks(options.sftp_accounts),
    ...codeChecks(accountsOf(options)),
    ...syslogChecks(options.syslog),
  ],
})
