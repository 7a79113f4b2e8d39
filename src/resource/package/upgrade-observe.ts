import { sh } from '../../shell/sh.ts'
import type { KindQuery } from '../kind/kind.ts'
import { listBelow, listsAreOld, SIMULATION_OPTIONS, transactionOptions } from './simulate.ts'
import { type Upgrade, type UpgradeSpec, type UpgradeState, upgradeArguments } from './upgrade-spec.ts'

/** Simulates each upgrade by apt, and those with the same options once. */
export const observeUpgrades = (specs: readonly UpgradeSpec[]): KindQuery<UpgradeState> => {
  const different = [...Map.groupBy(specs, questionOf).values()].flatMap(([first]) => (first === undefined ? [] : [first]))
  return {
    script: sh`${different.map(
      (spec) => sh`${listsAreOld(Math.floor(spec.cacheHours * 60))}
status=0; apt-get -s ${SIMULATION_OPTIONS} ${transactionOptions(false)} ${upgradeArguments(spec)} >"$T/upgrade" 2>&1 || status=$?
case $status in 0|100) ;; *) cat "$T/upgrade" >&2; exit "$status" ;; esac
if lists_are_old; then lists=old; else lists=read; fi
echo "upgrade $status $lists\${SUDO_USER:+ sudo}"; sed 's/^/apt /' "$T/upgrade"
`,
    )}echo end`,
    parse: (stdout) => {
      const lines = stdout.toString().split('\n')
      const starts = lines.flatMap((line, i) => (line.startsWith('upgrade ') ? [i] : []))
      if (starts.length !== different.length || lines.at(-2) !== 'end') throw new Error('apt did not simulate the upgrade')
      const states = new Map(different.map((spec, i) => [questionOf(spec), stateOf(lines.slice(starts[i], starts[i + 1]))]))
      return new Map(
        specs.flatMap((spec): readonly (readonly [string, UpgradeState])[] => {
          const state = states.get(questionOf(spec))
          return state === undefined ? [] : [[spec.name, state]]
        }),
      )
    },
  }
}

const questionOf = ({ removes, cacheHours }: UpgradeSpec): string => `${removes} ${cacheHours}`

const stateOf = ([heading = '', ...lines]: readonly string[]): UpgradeState => {
  const [, status, lists, sudo] = heading.split(' ')
  const words = lines.flatMap((line) => (line.startsWith('apt ') ? [line.slice('apt '.length)] : []))
  return {
    isPossible: status === '0',
    upgrades: words.flatMap(upgradeIn),
    removes: words.flatMap((line) => /^Remv (\S+)/.exec(line)?.[1] ?? []),
    kept: listBelow(words, /^The following packages? (has|have) been kept back:/),
    words: words.filter((line) => line !== '' && !/^((Inst|Conf|Remv) |(Reading|Building|Calculating) .*\.\.\.)/.test(line)),
    isFresh: lists === 'read',
    usesSudo: sudo === 'sudo',
  }
}

/** Reads a line such as `Inst haproxy [2.6-1] (2.6-2 Debian-Security:12/stable-security [amd64])`. */
const upgradeIn = (line: string): readonly Upgrade[] => {
  const [, name, from, to, origins] = /^Inst (\S+) (?:\[([^\]]*)\] )?\((\S+) (.*?)\)/.exec(line) ?? []
  if (name === undefined || to === undefined || origins === undefined) return []
  return [{ name, ...(from !== undefined && { from }), to, isSecurity: /(^|[-/:])security\b/i.test(origins) }]
}
