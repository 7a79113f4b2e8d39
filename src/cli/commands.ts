import type { Command } from './command.ts'

/** A command by its one line; the rest of it is loaded when it is asked for, so that the others start at once. */
export interface Entry {
  readonly summary: string
  load(): Promise<{ readonly command: Command }>
}

/** All commands, in the order of the help. Adding one is one file and one entry. */
export const commands: Readonly<Record<string, Entry>> = {
  run: { summary: 'bring hosts to the state that their roles describe', load: () => import('./run.ts') },
  verify: { summary: 'ask the services themselves whether they work', load: () => import('./verify.ts') },
  inventory: { summary: 'show what was understood: hosts, groups, variables, permitted flows', load: () => import('./inventory.ts') },
  exec: { summary: 'run one command on many hosts', load: () => import('./exec.ts') },
  trust: { summary: 'meet hosts: show and store their keys', load: () => import('./trust.ts') },
  secrets: { summary: 'keep secrets encrypted in the project', load: () => import('./secrets.ts') },
  schedule: { summary: 'let certificates renew without a person', load: () => import('./schedule.ts') },
  lab: { summary: 'disposable Debian hosts on this machine', load: () => import('./lab.ts') },
}
