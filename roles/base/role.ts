import { defineRole, z } from 'provision'
import { accountChecks, accountFaults, accountPackages, accounts, accountsOption } from './accounts.ts'
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
  ssh: sshOptions,
  updates: updatesOptions,
  time: timeOptions,
  kernel: kernelOption,
  journal: journalOptions,
  sessions: sessionsOptions,
  core_dumps: coreDumpsOption,
  blocked_modules: modulesOption,
})

/** What every server needs before it meets the internet. */
export default defineRole({
  name: 'base',
  summary: 'keys only, security updates, the right time, a hardened kernel, accounts of your own',
  options,

  check: ({ options: { administrators, ssh }, host }) => [...accountFaults(administrators, host), ...sshFaults(ssh, host)],

  resources: ({ options, facts, warn }) => {
    if (facts.container)
      warn('this host is a container: the clock and all kernel settings but those of the network are the machine’s, and are left to it')
    return [
      ...assembled([
        { packages: accountPackages(options.administrators) },
        updates(options.updates, facts),
        time(options.time, facts),
        sessions(options.sessions, options.core_dumps),
        coreDumps(options.core_dumps),
        modules(options.blocked_modules),
        journal(options.journal),
      ]),
      ...kernel(options.kernel, options.core_dumps, facts),
      ...accounts(options.administrators),
      // Last: whoever is to come in through it has an account by now.
      ...ssh(options.ssh, facts),
    ]
  },

  verify: ({ options }) => [
    ...sshChecks(options.ssh),
    ...updatesChecks(options.updates),
    ...timeChecks(options.time),
    kernelCheck(options.kernel, options.core_dumps),
    ...accountChecks(options.administrators),
  ],
})
