import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { checkSpec, type LabSpec, labDown, labReset, labSshConfig, labStatus, labUp } from '../lab/index.ts'
import { Problem, type Where } from '../problem.ts'
import { jsonLine } from '../report/json-line.ts'
import { list, suggestion } from '../site/source/suggest.ts'
import { type Arguments, type CommandContext, type CommandResult, defineCommand, type Options } from './command.ts'
import { inventoryOption } from './options.ts'
import { usageError } from './parse.ts'
import { loadHosts } from './site.ts'

const options = {
  ...inventoryOption,
  name: { type: 'string', value: 'NAME', help: 'name of the lab, if there are several (default: lab)' },
  release: {
    type: 'string',
    value: 'NAME',
    help: 'release that all hosts boot, by codename or version: trixie, noble, 24.04 (default: `release` of the inventory)',
  },
  mirror: { type: 'string', value: 'URL', help: 'address of the packages of that release (default: the one of this machine)' },
  arch: { type: 'string', value: 'NAME', help: 'architecture of the hosts, if this machine runs it through qemu: arm64' },
  json: { type: 'boolean', help: 'print the status as one JSON object' },
} as const satisfies Options

type Given = Arguments<typeof options>
type Action = (spec: LabSpec, given: Given, context: CommandContext) => Promise<CommandResult>

const actions: Readonly<Record<string, Action>> = {
  up: async (spec, _, { err }) => done(labUp(spec, (line) => err(`${line}\n`))),
  down: async (spec, _, { err }) => {
    err(`stopping and deleting ${list(spec.hosts.map(({ name }) => name))}\n`)
    return done(labDown(spec))
  },
  reset: async (spec, { positionals: [, ...named], rest }, { err }) => {
    const names = [...named, ...rest]
    await labReset(spec, names.length === 0 ? undefined : names, (line) => err(`${line}\n`))
    return 0
  },
  status: async (spec, { values }, { out, view: { paint } }) => {
    const status = await labStatus(spec)
    if (values.json) {
      const { directory, caFile } = status.authority
      out(jsonLine({ ...status, authority: { directory, caFile } }))
      return 0
    }
    const wide = Math.max(...Object.keys(status.hosts).map(({ length }) => length))
    const hosts = Object.entries(status.hosts).map(
      ([name, { address, running }]) => `  ${name.padEnd(wide)}  ${address}  ${running ? paint.green('running') : paint.dim('stopped')}`,
    )
    out(
      `${[paint.bold(`lab ${status.name}`), ...hosts, `  certificate authority ${status.authority.directory}`, `  root certificates     ${status.authority.caFile}`].join('\n')}\n`,
    )
    return 0
  },
  ssh: async (spec, { positionals: [, host, ...command], rest }) => {
    const names = spec.hosts.map(({ name }) => name)
    if (host === undefined) throw usageError('lab ssh', 'no host is given', `name a host of the lab: ${list(names)}`)
    if (!names.includes(host)) throw usageError('lab ssh', `unknown host ${host}`, suggestion(host, names, 'name a host of the lab'))
    const config = join(spec.root, '.provision/lab', spec.name, 'ssh_config')
    const { status, error } = spawnSync('ssh', ['-F', config, host, ...command, ...rest], { stdio: 'inherit' })
    if (error !== undefined) throw usageError('lab ssh', 'ssh is not installed on this machine', 'run apt-get install openssh-client')
    return status ?? 1
  },
  'ssh-config': async (spec, _, { out }) => {
    out(labSshConfig(spec))
    return 0
  },
}

/** `provision lab`: manages disposable hosts on this machine that match an inventory. */
export const command = defineCommand({
  takesCommand: true,
  commandAfter: (action) => (action === 'ssh' ? 2 : undefined),
  usage: [
    'lab up [--release NAME] [--mirror URL] [--arch NAME]',
    'lab down | status [--json] | ssh-config',
    'lab reset [HOST...]',
    'lab ssh HOST [COMMAND]',
  ],
  options,
  notes: [
    '`up` creates and boots a host for each host of the inventory. `down` stops and deletes all of them. `reset` gives hosts a new disk, as if they had been replaced. `ssh-config` prints a configuration for ssh -F.',
    'The default inventory is inventory/lab.yaml, if it exists. The lab needs root, and Debian or Ubuntu.',
  ],
  run: async (given, context) => {
    const [name] = given.positionals
    const names = Object.keys(actions)
    const action = name !== undefined && Object.hasOwn(actions, name) ? actions[name] : undefined
    if (action === undefined) {
      throw name === undefined
        ? usageError('lab', 'no subcommand is given', `write one of: ${list(names)}`)
        : usageError('lab', `unknown subcommand ${name}`, suggestion(name, names, 'use a subcommand of lab'))
    }
    const [argument] = [...given.positionals.slice(1), ...given.rest]
    if (argument !== undefined && name !== 'reset' && name !== 'ssh')
      throw usageError(`lab ${name}`, `unexpected argument ${argument}`, `run provision lab ${name}: it always applies to the whole lab`)
    return action(await specOf(given, context), given, context)
  },
})

/** Returns the lab of an inventory: its hosts with all their addresses. */
const specOf = async ({ values }: Given, context: CommandContext): Promise<LabSpec> => {
  const defaultInventory = 'inventory/lab.yaml'
  const site = await loadHosts(
    values.inventory ?? (existsSync(join(context.directory, defaultInventory)) ? defaultInventory : undefined),
    context,
  )
  for (const { name, connection, where } of site.hosts.values()) if (connection.transport === 'local') throw notInLab(name, where)
  const spec = {
    name: values.name ?? 'lab',
    root: context.directory,
    ...(values.release === undefined ? {} : { release: values.release }),
    ...(values.arch === undefined ? {} : { architecture: values.arch }),
    ...(values.mirror === undefined ? {} : { mirror: values.mirror }),
    hosts: [...site.hosts.values()].map(({ name, connection, addresses, publicAddresses, release }) => ({
      name,
      user: connection.user,
      addresses: [...new Set([connection.address, ...addresses, ...publicAddresses])],
      // The command line overrides the inventory, as it does for `run --user`.
      ...(release === undefined ? {} : { release: values.release ?? release }),
    })),
  }
  checkSpec(spec)
  return spec
}

const notInLab = (name: string, where: Where): Problem =>
  new Problem({
    class: 'input',
    where,
    what: `${name} is this machine (address: local), which no lab can boot`,
    fix: 'give it an address of the lab, or use an inventory without it: --inventory FILE',
  })

const done = async (work: Promise<void>): Promise<number> => {
  await work
  return 0
}
