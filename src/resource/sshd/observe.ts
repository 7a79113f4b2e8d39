import { sh } from '../../shell/sh.ts'
import { readTrial, type TrialState, trialQueries, trialScript } from '../guarded/trial.ts'
import { records } from '../kind/chunks.ts'
import type { InodeState } from '../kind/inode.ts'
import type { KindQuery } from '../kind/kind.ts'
import { type Answers, inodeAt } from '../kind/queries.ts'
import { observeServices, type ServiceState } from '../service/observe.ts'
import type { Login } from './shut-out.ts'
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
  readonly login: Login
  /** Keywords of all files but those of provision, in lower case. */
  readonly others: readonly string[]
}

export const trialSlug = ({ name }: { readonly name: string }): string => `sshd/${name}`

/** Observes settings by shared queries and shell builtins. */
export const observeSettings = (specs: readonly SshdSpec[]): KindQuery<SshdState> => {
  if (specs.length === 0) return { script: sh``, parse: () => new Map() }
  const [paths, slugs] = [specs.map(({ path }) => path), specs.map(trialSlug)]
  const daemon = observeServices([{ unit: UNIT, loads: specs, restarts: [] }])
  return {
    shared: {
      ...daemon.shared,
      digests: paths,
      patterns: [`${DROP_INS}/*.conf`],
      texts: [SSHD_CONFIG, ...paths, ...trialQueries(slugs).texts, ...(daemon.shared?.texts ?? [])],
    },
    script: sh`${trialScript(slugs)}\n${LOGIN}`,
    parse: (stdout, answers) => {
      const marks = records(stdout, 1).map(([field]) => field ?? '')
      const common = { login: loginOf(marks.slice(specs.length)), others: keywordsIn(answers, paths) }
      const service = daemon.parse(Buffer.alloc(0), answers).get(UNIT)
      if (service === undefined) throw new Error(`the host did not report ${UNIT}`)
      return new Map(
        specs.map((spec, i) => [
          spec.path,
          { ...fileOf(spec, answers), ...readTrial(marks[i] ?? '', answers, trialSlug(spec)), ...common, service },
        ]),
      )
    },
  }
}

/** Prints the account of the run and its groups: `?` for those of a directory service. sudo sets SUDO_USER. Builtins only. */
const LOGIN = sh`login=\${SUDO_USER:-root} groups='?'
while IFS=: read -r name _ _ gid _; do [ "$name" != "$login" ] || { groups=' '; break; }; done </etc/passwd
[ "$groups" = '?' ] || while IFS=: read -r name _ number members; do
  case $number:,$members, in $gid:*|*,"$login",*) groups="$groups$name " ;; esac
done </etc/group
printf '%s\\0%s\\0' "$login" "$groups"`

const loginOf = ([account, groups]: readonly string[]): Login => {
  if (account === undefined || groups === undefined) throw new Error('the host did not report the account of the run')
  return { account, groups: groups === '?' ? undefined : groups.split(' ').filter((name) => name !== '') }
}

const keywordsIn = ({ texts }: Answers, ours: readonly string[]): readonly string[] => [
  ...new Set(
    [...texts].flatMap(([path, lines]) =>
      (path === SSHD_CONFIG || path.startsWith(`${DROP_INS}/`)) && !ours.includes(path)
        ? lines.flatMap((line) => /^\s*([A-Za-z0-9]+)/.exec(line)?.[1]?.toLowerCase() ?? [])
        : [],
    ),
  ),
]

const fileOf = ({ path }: SshdSpec, answers: Answers): Pick<SshdState, 'inode' | 'sha256' | 'text' | 'config'> => ({
  inode: inodeAt(answers, path),
  sha256: answers.digests.get(path),
  text: (answers.texts.get(path) ?? []).map((line) => `${line}\n`).join(''),
  config: answers.texts.get(SSHD_CONFIG) ?? [],
})

/** Returns the reason why sshd would ignore the drop-in, by its main file: sshd uses the first value of a setting. */
export const obstacleTo = ({ settings }: SshdSpec, { config }: Pick<SshdState, 'config'>): string | undefined => {
  const lines = config.map((line) => line.trim().split(/[\s=]+/))
  const include = lines.findIndex(([keyword = '', ...values]) => keyword.toLowerCase() === 'include' && values.some(isDropIns))
  const before = lines.slice(0, include).map(([keyword = '']) => keyword)
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
