import { defineRole, z } from 'provision'
import {
  accountChecks,
  accountFaults,
  accountPackages,
  accounts,
  accountsOf,
  accountsOption,
  departures,
  moreAccountsOption,
} from './accounts.ts'
import { adoptedOption, foreignAccounts } from './foreign.ts'
import { journal, journalOptions } from './journal.ts'
import { kernel, kernelCheck, kernelOption } from './kernel.ts'
import { assembled } from './part.ts'
import { coreDumps, coreDumpsOption, modules, modulesOption } from './reduce.ts'
import { sessions, sessionsOptions } from './sessions.ts'
import { ssh, sshChecks, sshFaults, sshOptions } from './ssh.ts'
import { time, timeChecks, timeOptions } from './time.ts'
import { updates, updatesChecks, updatesOptions } from './updates.ts'

const options = z.strictObject({
  administrators: accountsOption,
  more_administrators: moreAccountsOption,
  adopted_accounts: adoptedOption,
  ssh: sshOptions,
  updates: updatesOptions,
  time: timeOptions,
  kernel: kernelOption,
  journal: journalOptions,
  sessions: sessionsOptions,
  core_dumps: coreDumpsOption,
  blocked_modules: modulesOption,
})

/** Basic hardening that every server on the internet needs. */
export default defineRole({
  name: 'base',
  summary: 'SSH keys only, security updates, time synchronisation, a hardened kernel, administrator accounts',
  options,

  check: ({ options, host }) => [...accountFaults(options, host), ...sshFaults(options.ssh, host)],

  resources: ({ options, facts, host, site, warn }) => {
    if (facts.container) warn('container: clock and non-network kernel settings are managed by the machine it runs on, skipped here')
    const people = accountsOf(options)
    return [
      // First, because these rights must be removed even if a later change fails.
      ...departures(people),
      foreignAccounts({ declared: [host.user, ...people.map(({ name }) => name)], adopted: options.adopted_accounts }),
      ...assembled([
        { packages: accountPackages(people) },
        updates(options.updates, { facts, host, site }),
        time(options.time, facts),
        sessions(options.sessions, options.core_dumps),
        coreDumps(options.core_dumps),
        modules(options.blocked_modules),
        journal(options.journal),
      ]),
      ...kernel(options.kernel, options.core_dumps, facts),
      ...accounts(people),
      // Last, because the new accounts must exist before sshd is restricted.
      ...ssh(options.ssh, facts),
    ]
  },

  verify: ({ options }) => [
    ...sshChecks(options.ssh),
    ...updatesChecks(options.updates),
    ...timeChecks(options.time),
    kernelCheck(options.kernel, options.core_dumps),
    ...accountChecks(accountsOf(options)),
  ],
})
