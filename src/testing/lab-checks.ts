import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'

/** A project, and what of it is tried on a lab. */
export interface LabCase {
  /** Directory of the project; by default the working directory. */
  readonly project?: string
  /** Inventory whose hosts the lab boots; by default `inventory/lab.yaml`. */
  readonly inventory?: string
  /** Playbook; by default `playbooks/site.yaml`. */
  readonly playbook?: string
  /** Release of the hosts, by codename or version; by default that of the inventory. */
  readonly release?: string
  /** Number of interrupted runs, 2 by default. They are spread over the changes. */
  readonly cuts?: number
}

/** One check on a lab. */
export interface LabCheck {
  readonly title: string
  /** Rejects with an error that has the output of the command, if the check fails. */
  check(): Promise<void>
}

/**
 * Returns checks of a playbook on hosts that `provision lab` boots on this machine, for one test each, in this order: a bare host becomes what the
 * dry run predicted, a second run has nothing to do, `verify` succeeds, and after each interruption a run ends where an undisturbed one does.
 * The last one removes the lab. They need root on Debian or Ubuntu, and take minutes.
 */
export const labChecks = (given: LabCase = {}): readonly LabCheck[] => {
  const { cuts = 2 } = given
  const lab = labOf(given)
  const interrupted = Array.from({ length: cuts }, (_, i): LabCheck => {
    const way = i % 2 === 0 ? 'controller' : 'power'
    return {
      title: `a run is completed by the next one after ${way === 'controller' ? 'its controller was killed' : 'its hosts lost power'} (${i + 1} of ${cuts})`,
      check: () => completed(lab, { way, part: (i + 1) / (cuts + 1) }),
    }
  })
  return [
    { title: 'a bare host becomes what the dry run predicted', check: async () => predicted(lab) },
    { title: 'a second run has nothing to do', check: async () => converged(lab) },
    { title: 'verify succeeds', check: async () => void lab.required('verify', lab.playbook) },
    ...interrupted,
    { title: 'the lab is removed', check: async () => void lab.required('lab', 'down') },
  ]
}

/** The command of this package, for one project and inventory. */
interface Lab {
  readonly playbook: string
  /** Arguments of Node for a subcommand. */
  words(subcommand: string, ...rest: readonly string[]): readonly string[]
  readonly cwd: string
  run(subcommand: string, ...rest: readonly string[]): Result
  /** Like `run`. Throws an error with the output if the command fails. */
  required(subcommand: string, ...rest: readonly string[]): Result
  /** Gives all hosts new disks. */
  reset(): void
}

interface Result {
  readonly status: number | null
  readonly output: string
  readonly lines: readonly Line[]
}

/** A line of `--json`. */
interface Line {
  readonly type?: string
  readonly phase?: string
  readonly host?: string
  readonly action?: string
  readonly resource?: string
  readonly result?: string
}

const labOf = ({ project, inventory = 'inventory/lab.yaml', playbook = 'playbooks/site.yaml', release }: LabCase): Lab => {
  const cwd = project ?? process.cwd()
  const program = programOf(import.meta.dirname)
  const lab: Lab = {
    cwd,
    playbook,
    // What follows a host is a command for it.
    words: (subcommand, ...rest) => [program, subcommand, '--inventory', inventory, ...rest],
    run: (...subcommand) => {
      const { status, stdout, stderr } = spawnSync(process.execPath, lab.words(...subcommand), {
        cwd,
        encoding: 'utf8',
        maxBuffer: 1 << 28,
      })
      return { status, output: `${stdout}${stderr}`, lines: stdout.split('\n').flatMap(lineIn) }
    },
    required: (...subcommand) => {
      const result = lab.run(...subcommand)
      if (result.status !== 0) throw new Error(`provision ${subcommand.join(' ')} failed (exit ${result.status})\n${result.output}`)
      return result
    },
    reset: () => void lab.required('lab', 'reset', ...(release === undefined ? [] : ['--release', release])),
  }
  return lab
}

/** The program of the package to which this file belongs, in the source and in the published form. */
const programOf = (directory: string): string => {
  const program = join(directory, 'bin/provision.js')
  return existsSync(program) || dirname(directory) === directory ? program : programOf(dirname(directory))
}

const lineIn = (text: string): readonly Line[] => {
  try {
    return [JSON.parse(text) as Line]
  } catch {
    return []
  }
}

const changesIn = (lines: readonly Line[], phase: string): readonly string[] =>
  lines
    .filter((line) => line.type === 'change' && line.phase === phase)
    .map(({ host, action, resource }) => `${host}: ${action} ${resource}`)

const predicted = (lab: Lab): void => {
  lab.reset()
  const dry = lab.run('run', lab.playbook, '--dry-run', '--json')
  if (dry.status !== 2) throw new Error(`the dry run on bare hosts plans no changes (exit ${dry.status})\n${dry.output}`)
  const planned = changesIn(dry.lines, 'planned')
  const { lines } = lab.required('run', lab.playbook, '--json')
  const applied = changesIn(lines, 'applied')
  const surplus = applied.filter((one) => !planned.includes(one)).map((one) => `not predicted: ${one}`)
  const missing = planned.filter((one) => !applied.includes(one)).map((one) => `predicted only: ${one}`)
  if (surplus.length + missing.length > 0)
    throw new Error(`the run made other changes than predicted\n${[...surplus, ...missing].join('\n')}`)
}

const converged = (lab: Lab): void => {
  const { lines, output } = lab.required('run', lab.playbook, '--json')
  if (lines.at(-1)?.result !== 'converged') throw new Error(`the second run changed something\n${output}`)
}

/** An interruption: its way, and after which part of the changes it comes. */
interface Cut {
  readonly way: 'controller' | 'power'
  readonly part: number
}

const completed = async (lab: Lab, cut: Cut): Promise<void> => {
  lab.reset()
  await interruptedRun(lab, cut)
  if (cut.way === 'power') lab.required('lab', 'up')
  lab.required('run', lab.playbook, '--wait')
  converged(lab)
}

/** Runs the playbook, and cuts the run as soon as it has applied that part of its changes. */
const interruptedRun = async (lab: Lab, { way, part }: Cut): Promise<void> => {
  const { cwd, playbook } = lab
  const child = spawn(process.execPath, lab.words('run', playbook, '--json'), { cwd, stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const hosts = new Set<string>()
  let [planned, applied, isCut] = [0, 0, false]
  for await (const text of createInterface({ input: child.stdout })) {
    const [{ type, phase, host = '' } = {}] = lineIn(text)
    if (type !== 'change') continue
    hosts.add(host)
    if (phase === 'planned') planned += 1
    if (phase !== 'applied' || isCut) continue
    applied += 1
    if (applied < planned * part || applied === planned) continue
    isCut = true
    if (way === 'controller') child.kill('SIGKILL')
    else for (const name of hosts) lab.run('lab', 'ssh', name, 'sudo systemctl reboot --force --force')
  }
  await ended
  if (!isCut) throw new Error(`the run has too few changes to be interrupted: ${planned}`)
}
