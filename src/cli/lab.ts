import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { checkSpec, type LabSpec, labDown, labReset, labSshConfig, labStatus, labUp } from '../lab/index.ts'
import { jsonLine } from '../report/json-line.ts'
import { list, suggestion } from '../site/source/suggest.ts'
import { type Arguments, defineCommand, type Ended, type Options, type Surroundings } from './command.ts'
import { inventoryOption } from './options.ts'
import { wrong } from './parse.ts'
import { loadHosts } from './site.ts'

const options = {
  ...inventoryOption,
  name: { type: 'string', value: 'NAME', help: 'another lab beside the first (lab)' },
  json: { type: 'boolean', help: 'status as one JSON object' },
} as const satisfies Options

type Given = Arguments<typeof options>
type Action = (spec: LabSpec, given: Given, surroundings: Surroundings) => Promise<Ended>

const actions: Readonly<Record<string, Action>> = {
  up: async (spec, _, { err }) => done(labUp(spec, (line) => err(`${line}\n`))),
  down: async (spec, _, { err }) => {
    err(`taking down ${list(spec.hosts.map(({ name }) => name))}\n`)
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
      `${[paint.bold(`lab ${status.name}`), ...hosts, `  certificate authority ${status.authority.directory}`, `  its roots ${status.authority.caFile}`].join('\n')}\n`,
    )
    return 0
  },
  ssh: async (spec, { positionals: [, host, ...command], rest }) => {
    const names = spec.hosts.map(({ name }) => name)
    if (host === undefined) throw wrong('lab ssh', 'it needs a host', `name one of ${list(names)}`)
    if (!names.includes(host)) throw wrong('lab ssh', `the lab has no host ${host}`, suggestion(host, names, 'name one of its hosts'))
    const config = join(spec.root, '.provision/lab', spec.name, 'ssh_config')
    const { status, error } = spawnSync('ssh', ['-F', config, host, ...command, ...rest], { stdio: 'inherit' })
    if (error !== undefined) throw wrong('lab ssh', 'there is no ssh on this machine', 'install openssh-client')
    return status ?? 1
  },
  'ssh-config': async (spec, _, { out }) => {
    out(labSshConfig(spec))
    return 0
  },
}

/** `provision lab`: disposable real Debian hosts on this machine, made to match an inventory. */
export const command = defineCommand({
  passesOn: true,
  usage: ['lab up | down | status [--json] | ssh-config', 'lab reset [HOST...]', 'lab ssh HOST [COMMAND]'],
  options,
  notes: ['Without an inventory, inventory/lab.yaml where there is one. It needs root, and Debian or Ubuntu.'],
  run: async (given, surroundings) => {
    const [name] = given.positionals
    const names = Object.keys(actions)
    const action = name !== undefined && Object.hasOwn(actions, name) ? actions[name] : undefined
    if (action === undefined) {
      throw name === undefined
        ? wrong('lab', 'it needs to be told what to do', `write one of ${list(names)}`)
        : wrong('lab', `a lab knows no ${name}`, suggestion(name, names, 'write one of them'))
    }
    const [word] = [...given.positionals.slice(1), ...given.rest]
    if (word !== undefined && name !== 'reset' && name !== 'ssh')
      throw wrong(`lab ${name}`, `it takes no ${word}`, `write provision lab ${name} alone: it is about the whole lab`)
    return action(await specOf(given, surroundings), given, surroundings)
  },
})

/** The lab of an inventory: its hosts with all their addresses. */
const specOf = async ({ values }: Given, surroundings: Surroundings): Promise<LabSpec> => {
  const own = 'inventory/lab.yaml'
  const site = await loadHosts(values.inventory ?? (existsSync(join(surroundings.directory, own)) ? own : undefined), surroundings)
  const spec = {
    name: values.name ?? 'lab',
    root: surroundings.directory,
    hosts: [...site.hosts.values()].map(({ name, connection, addresses, publicAddresses }) => ({
      name,
      user: connection.user,
      addresses: [...new Set([connection.address, ...addresses, ...publicAddresses])],
    })),
  }
  checkSpec(spec)
  return spec
}

const done = async (work: Promise<void>): Promise<number> => {
  await work
  return 0
}
