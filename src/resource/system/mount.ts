import { sh } from '../../shell/sh.ts'
import { describeDifferences, differing } from '../kind/differences.ts'
import { ABSENT } from '../kind/inode.ts'
import { type Change, type Difference, defineKind, type PlanContext } from '../kind/kind.ts'
import { type Answers, inodeAt } from '../kind/queries.ts'
import { HostRefusal } from '../kind/step.ts'
import { applyMounts } from './mount-apply.ts'
import { deviceOf, entryOf, isBind, isType, type MountSpec, type MountState, schema } from './mount-spec.ts'
import { flagsThatDiffer, type Mounted, readFstabLine, readMounts } from './mount-table.ts'

const MOUNTS = '/proc/self/mountinfo'
const FSTAB = '/etc/fstab'

/** Programs of other packages that mount needs for a type. */
const helperOf = ({ type, state }: MountSpec): readonly string[] =>
  state === 'present' && ['nfs', 'nfs4', 'cifs', 'glusterfs', 'ceph'].includes(type ?? '') ? [`/usr/sbin/mount.${type}`] : []

/** Paths without which the system or the run cannot go on. */
const NEEDED = [
  '/etc',
  '/usr',
  '/bin',
  '/sbin',
  '/lib',
  '/run',
  '/proc',
  '/sys',
  '/dev',
  '/tmp',
  '/var/lib/provision',
  '/var/lib/dpkg',
  '/boot',
]

/** A mounted filesystem, now and after a boot. */
export const mount = defineKind({
  name: 'mount',
  summary: 'mounted filesystem, now and after a boot',
  schema,
  id: ({ path }) => path,

  observe: (specs: readonly MountSpec[]) => {
    const devices = specs.map(({ source }) => deviceOf(source ?? '')).filter((device) => device !== undefined)
    return {
      shared: { inodes: [...devices, ...specs.flatMap(helperOf)], texts: [MOUNTS, FSTAB] },
      // Builtins, and one readlink for all devices.
      script: sh`account="\${SUDO_USER:-root}"; case $account in *[!a-zA-Z0-9._-]*) home=/root ;; *) eval "home=~$account" ;; esac; printf '%s\\n' "$home"
${devices.length === 0 ? sh`` : sh`readlink -m -- ${devices}`}
${specs.filter(isBind).map(({ path, source = '' }, i) => sh`[ ! ${path} -ef ${source} ] || echo same ${i}`)}
echo end`,
      parse: (stdout, answers) => {
        const lines = stdout.toString().split('\n')
        const [home = '', ...rest] = lines
        if (lines.at(-2) !== 'end' || !answers.texts.has(MOUNTS)) throw new Error('the host did not report its mounts')
        const real = new Map(devices.map((device, i) => [device, rest[i] ?? '']))
        const binds = specs.filter(isBind)
        const same = new Set(
          rest.slice(devices.length).flatMap((line) => (line.startsWith('same ') ? [binds[Number(line.slice(5))]?.path] : [])),
        )
        const mounts = readMounts(answers.texts.get(MOUNTS) ?? [])
        return new Map(
          specs.map((spec): [string, MountState] => [
            spec.path,
            stateOf(spec, { answers, mounts, real, isBound: same.has(spec.path), home }),
          ]),
        )
      },
    }
  },

  plan: (spec, state: MountState, context): Change | undefined => {
    const { entries, live } = state
    if (spec.state === 'absent') {
      if (entries.length === 0 && live === undefined) return undefined
      const now = [
        ...(live === undefined ? [] : [{ key: 'mounted', from: live.source }]),
        ...(entries.length === 0 ? [] : [{ key: 'mounted at boot', from: 'yes' }]),
      ]
      return { action: 'delete', certainty: 'exact', reason: 'declared absent', differences: now }
    }
    const certainty = state.missing !== undefined && mayAppear(state.missing, context) ? 'dependent' : 'exact'
    const wanted = entryOf(spec)
    const atBoot: readonly Difference[] =
      entries.length === 1
        ? differing(wanted, { ...entries[0] }).map(({ key, ...rest }) => ({ key: `${key} at boot`, ...rest }))
        : [{ key: 'entry at boot', to: 'one' }]
    if (live === undefined)
      return {
        action: 'create',
        certainty,
        reason: 'not mounted',
        differences: [{ key: 'source', to: wanted.source }, ...(entries.length === 0 ? [] : atBoot)],
      }
    const flags = flagsThatDiffer(spec.options, live.options)
    const now: readonly Difference[] = [
      ...(isType(spec, live) ? [] : [{ key: 'type', from: live.type, to: wanted.type }]),
      ...(state.isSource ? [] : [{ key: 'source', from: live.source, to: wanted.source }]),
      ...(flags.length === 0 ? [] : [{ key: 'options', to: flags.join(',') }]),
    ]
    const differences = [...now, ...atBoot]
    if (differences.length === 0) return undefined
    if (now.length === 0 && entries.length === 0) return { action: 'create', certainty, reason: 'not mounted at boot', differences: [] }
    return { action: 'update', certainty, reason: describeDifferences(differences), differences }
  },

  forbids: (spec, state, context) => {
    const { covers, live, missing } = state
    const isUnmounted = live !== undefined && (spec.state === 'absent' || !isType(spec, live) || !state.isSource)
    if (covers !== undefined && (isUnmounted || (spec.state === 'present' && live === undefined)))
      return new HostRefusal(
        live === undefined ? `mount at ${spec.path} would cover ${covers}` : `${spec.path} cannot be unmounted`,
        `the system or this run needs ${covers}`,
        'correct the path, or change it by hand while the host runs from another system',
      )
    if (spec.state === 'absent' || missing === undefined || live !== undefined || mayAppear(missing, context)) return undefined
    return new HostRefusal(
      `${spec.source} cannot be mounted at ${spec.path}`,
      `${missing} does not exist on the host`,
      missing.includes('/mount.')
        ? 'declare the package that has it first, such as nfs-common'
        : 'check the source, or declare what creates it first',
    )
  },

  contained: true,
  apply: applyMounts,
  orphan: { keep: 'programs may use the filesystem; to unmount it, declare the mount with state: absent' },
})

/** Whether something earlier in this run may create a path. */
const mayAppear = (path: string, { mayBringMore, opaquePending, packagesPending, anyPackagesPending, changes }: PlanContext): boolean =>
  mayBringMore === true || opaquePending === true || packagesPending || anyPackagesPending === true || changes(`directory:${path}`)

interface Reported {
  readonly answers: Answers
  readonly mounts: ReadonlyMap<string, Mounted>
  readonly real: ReadonlyMap<string, string>
  readonly isBound: boolean
  readonly home: string
}

const stateOf = (spec: MountSpec, { answers, mounts, real, isBound, home }: Reported): MountState => {
  const live = mounts.get(spec.path)
  const device = deviceOf(spec.source ?? '')
  const sources = [spec.source, real.get(device ?? '')]
  const needs = [...(device === undefined ? [] : [device]), ...helperOf(spec)]
  const missing = needs.find((path) => inodeAt(answers, path) === ABSENT)
  const covers = [...NEEDED, ...(home === '/' ? [] : [home])].find(
    (path) => path === spec.path || path.startsWith(spec.path === '/' ? '/' : `${spec.path}/`),
  )
  return {
    entries: (answers.texts.get(FSTAB) ?? [])
      .map(readFstabLine)
      .filter((entry) => entry?.path === spec.path)
      .filter((entry) => entry !== undefined),
    live,
    isSource: live !== undefined && (isBind(spec) ? isBound : sources.includes(live.source)),
    ...(missing !== undefined && { missing }),
    ...(covers !== undefined && { covers }),
  }
}
