import type { CommandEntry } from './command.ts'

/** All commands, in the order of `provision --help`. */
export const commands: Readonly<Record<string, CommandEntry>> = {
  run: { summary: 'plan and apply what the playbook requires', load: () => import('./run.ts') },
  show: { summary: 'show a saved plan', load: () => import('./run/show.ts') },
  verify: { summary: 'check that the services on the hosts work', load: () => import('./verify.ts') },
  inventory: { summary: 'show hosts, groups, variables and permitted flows', load: () => import('./inventory.ts') },
  apply: { summary: 'apply one resource to hosts', load: () => import('./ad-hoc/apply.ts') },
  facts: { summary: 'show the facts of hosts', load: () => import('./ad-hoc/facts.ts') },
  fetch: { summary: 'copy a file from hosts', load: () => import('./ad-hoc/fetch.ts') },
  exec: { summary: 'run a command on hosts', load: () => import('./exec.ts') },
  trust: { summary: 'show and store SSH host keys', load: () => import('./trust.ts') },
  secrets: { summary: 'manage encrypted secrets of the project', load: () => import('./secrets.ts') },
  schedule: { summary: 'renew certificates, and watch for changes by hand', load: () => import('./schedule.ts') },
  roles: { summary: 'list roles and their options', load: () => import('./project/roles.ts') },
  kinds: { summary: 'list kinds of resources and their options', load: () => import('./project/kinds.ts') },
  init: { summary: 'write a package with a role', load: () => import('./project/init.ts') },
  schema: { summary: 'print a JSON Schema for an editor', load: () => import('./project/schema.ts') },
  completion: {
    summary: 'print completion for a shell',
    load: async () => (await import('./completion/completion.ts')).completionOf(commands),
  },
  lab: { summary: 'manage disposable hosts on this machine', load: () => import('./lab.ts') },
}
