import { readTrial, type TrialState, trialQueries, trialScript } from '../guarded/trial.ts'
import { records } from '../kind/chunks.ts'
import type { InodeState } from '../kind/inode.ts'
import type { KindQuery } from '../kind/kind.ts'
import { type Answers, inodeAt } from '../kind/queries.ts'
import { observeServices, type ServiceState } from '../service/observe.ts'
import { DROP_INS, type SshdSpec } from './spec.ts'

export const SSHD_CONFIG = '/etc/ssh/sshd_config'

/** The unit on Debian and Ubuntu. A socket may start it, or replace it. */
export const UNIT = 'ssh.service'

/** State of a drop-in of sshd, and of the daemon. */
export interface SshdState extends TrialState {
  readonly inode: InodeState
  readonly sha256: string | undefined
  readonly text: string
  /** Lines of the main configuration, which must include the drop-in. */
  readonly config: readonly string[]
  readonly service: ServiceState
}

export const trialSlug = ({ name }: { readonly name: string }): string => `sshd/${name}`

/** Observes settings by shared queries and shell builtins. */
export const observeSettings = (specs: readonly SshdSpec[]): KindQuery<SshdState> => {
  const paths = specs.map(({ path }) => path)
  const loads = specs.map(({ path, sha256 }) => ({ path, sha256, key: `sshd:${path}` }))
  const daemon = observeServices(
    specs.length === 0
      ? []
      : [{ unit: UNIT, running: true, enabled: true, loads, restarts: [], set: undefined, took: undefined, reload: 'reload' }],
  )
  return {
    shared: {
      units: daemon.shared?.units ?? [],
      inodes: daemon.shared?.inodes ?? [],
      digests: paths,
      texts:
        specs.length === 0 ? [] : [SSHD_CONFIG, ...paths, ...trialQueries(specs.map(trialSlug)).texts, ...(daemon.shared?.texts ?? [])],
    },
    script: trialScript(specs.map(trialSlug)),
    parse: (stdout, answers) => {
      const marks = records(stdout, 1).map(([field]) => field ?? '')
      const service = daemon.parse(Buffer.alloc(0), answers).get(UNIT)
      return new Map(
        specs.map((spec, i) => [spec.path, stateOf(spec, answers, service, readTrial(marks[i] ?? '', answers, trialSlug(spec)))]),
      )
    },
  }
}

const stateOf = ({ path }: SshdSpec, answers: Answers, service: ServiceState | undefined, trial: TrialState): SshdState => {
  if (service === undefined) throw new Error(`the host did not report ${UNIT}`)
  return {
    inode: inodeAt(answers, path),
    sha256: answers.digests.get(path),
    text: (answers.texts.get(path) ?? []).map((line) => `${line}\n`).join(''),
    config: answers.texts.get(SSHD_CONFIG) ?? [],
    service,
    ...trial,
  }
}

/** Returns the reason why sshd would ignore the drop-in, by its main file: sshd uses the first value of a setting. */
export const obstacleTo = ({ settings }: SshdSpec, { config }: Pick<SshdState, 'config'>): string | undefined => {
  const lines = config.map((line) => line.trim().split(/[\s=]+/))
  const include = lines.findIndex(([keyword = '', ...values]) => keyword.toLowerCase() === 'include' && values.some(isDropIns))
  const before = lines.slice(0, Math.max(include, 0)).map(([keyword = '']) => keyword)
  if (include < 0 || before.some((keyword) => keyword.toLowerCase() === 'match'))
    return `${SSHD_CONFIG} does not include ${DROP_INS}/*.conf`
  const ours = new Set(Object.keys(settings).map((keyword) => keyword.toLowerCase()))
  const first = before.find((keyword) => ours.has(keyword.toLowerCase()) && !CUMULATIVE.test(keyword))
  return first === undefined ? undefined : `${SSHD_CONFIG} sets ${first} before it includes ${DROP_INS}/*.conf`
}

// sshd combines all lines of these settings.
const CUMULATIVE = /^(acceptenv|(allow|deny)(users|groups)|host(key|certificate))$/i

// Relative paths start at /etc/ssh (sshd_config(5)).
const isDropIns = (value: string): boolean =>
  [`${DROP_INS}/*.conf`, `${DROP_INS}/*`, 'sshd_config.d/*.conf', 'sshd_config.d/*'].includes(value.replaceAll('"', ''))
