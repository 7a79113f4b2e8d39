import { z } from 'zod'
import { sh } from '../../shell/sh.ts'
import { file } from '../file/file.ts'
import { namedByResource } from '../file/file-kind.ts'
import type { FileSpec, FileState } from '../file/spec.ts'
import { describeDifferences } from '../kind/differences.ts'
import { ABSENT } from '../kind/inode.ts'
import { type Change, type Difference, defineKind, type PlanContext, type Work } from '../kind/kind.ts'
import { inTurn } from '../kind/one-by-one.ts'
import { inodeAt } from '../kind/queries.ts'
import { HostRefusal, requireSuccess, type Steps } from '../kind/step.ts'

const schema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,54}$/, 'must be the name of a module such as br_netfilter')
    .meta({ description: 'name of the module', examples: ['br_netfilter'] }),
  state: z
    .enum(['loaded', 'blocked', 'absent'])
    .default('loaded')
    .meta({ description: 'loaded: now and at boot; blocked: never loaded, also not by others; absent: the host decides' }),
})

type ModuleSpec = z.output<typeof schema>

export interface ModuleState {
  readonly load: FileState
  readonly block: FileState
  /** In the kernel: loaded, or a part of it. */
  readonly isLive: boolean
  /** The host has modules for its kernel; a container has none. */
  readonly hasModules: boolean
}

const loadPath = ({ name }: ModuleSpec): string => `/etc/modules-load.d/provision.${name}.conf`
const blockPath = ({ name }: ModuleSpec): string => `/etc/modprobe.d/provision.${name}.conf`
/** The kernel has one name for a module, with underscores. */
const livePath = ({ name }: ModuleSpec): string => `/sys/module/${name.replaceAll('-', '_')}`

/** A kernel module that is loaded now and at boot, or never. */
export const kernelModule = defineKind({
  name: 'kernel-module',
  summary: 'kernel module that is loaded now and at boot, or never',
  schema,
  id: ({ name }) => name,

  observe: (specs: readonly ModuleSpec[]) => {
    const files = file.kind.observe(specs.flatMap((spec) => filesOf(spec).map((one) => one.spec)))
    return {
      shared: { ...files.shared, inodes: [...(files.shared?.inodes ?? []), ...specs.map(livePath)] },
      // Builtins only. A part of the kernel may have no directory in /sys/module.
      script: sh`IFS= read -r release </proc/sys/kernel/osrelease
[ ! -d "/lib/modules/$release" ] || echo modules
wanted=${` ${specs.flatMap(({ name }) => [name, name.replaceAll('_', '-'), name.replaceAll('-', '_')]).join(' ')} `}
[ ! -f "/lib/modules/$release/modules.builtin" ] || while IFS= read -r path; do
  name=\${path##*/}; name=\${name%%.ko*}; case $wanted in *" $name "*) echo "builtin $name" ;; esac
done <"/lib/modules/$release/modules.builtin"
echo end`,
      parse: (stdout, answers) => {
        const lines = stdout.toString().split('\n')
        if (lines.at(-2) !== 'end') throw new Error('the host did not report its kernel modules')
        const states = files.parse(Buffer.alloc(0), answers)
        const builtin = new Set(lines.flatMap((line) => (line.startsWith('builtin ') ? [line.slice(8).replaceAll('-', '_')] : [])))
        return new Map(
          specs.flatMap((spec): readonly (readonly [string, ModuleState])[] => {
            const [load, block] = [states.get(loadPath(spec)), states.get(blockPath(spec))]
            if (load === undefined || block === undefined) return []
            const isLive = inodeAt(answers, livePath(spec)) !== ABSENT || builtin.has(spec.name.replaceAll('-', '_'))
            return [[spec.name, { load, block, isLive, hasModules: lines.includes('modules') }]]
          }),
        )
      },
    }
  },

  plan: (spec, state: ModuleState, context): Change | undefined => {
    const atBoot = filesOf(spec, state).some(
      (one) => file.kind.plan(one.spec, one.state, { ...context, packagesPending: false }) !== undefined,
    )
    const differences: readonly Difference[] = [
      ...(needsLoading(spec, state) ? [{ key: 'loaded', from: 'no', to: 'yes' }] : []),
      ...(atBoot ? [{ key: 'setting at boot', to: spec.state }] : []),
    ]
    if (differences.length === 0) return undefined
    if (spec.state === 'absent') return { action: 'delete', certainty: 'exact', reason: 'declared absent', differences: [] }
    const certainty = needsLoading(spec, state) && mayAppear(context) ? 'dependent' : 'exact'
    const isNew = state.load === ABSENT && state.block === ABSENT
    return { action: isNew ? 'create' : 'update', certainty, reason: isNew ? 'not set' : describeDifferences(differences), differences }
  },

  notices: ({ name, state }, { isLive, hasModules }) => {
    if (state !== 'blocked') return []
    if (!hasModules)
      return [`kernel module ${name} is blocked here only: the host has no modules, and the machine that runs it loads its own`]
    return isLive ? [`kernel module ${name} is blocked, and loaded: it stays until the next boot`] : []
  },

  forbids: (spec, state, context) =>
    needsLoading(spec, state) && !state.hasModules && !mayAppear(context)
      ? new HostRefusal(
          `kernel module ${spec.name} cannot be loaded on this host`,
          'it has no modules for its kernel, as in a container',
          'load it on the machine that runs the container, or remove it from the role',
        )
      : undefined,

  *apply(work: readonly Work<ModuleSpec, ModuleState>[]): Steps {
    const loading = work.filter(({ spec, state }) => needsLoading(spec, state))
    yield* inTurn(loading, ({ spec }) => sh`modprobe -- ${spec.name}`, {
      doing: 'loading kernel modules',
      failed: (id) => `kernel module ${id} not loaded`,
      fix: 'check the name, and that the kernel of the host has the module',
    })
    // A host without kmod has neither.
    requireSuccess(
      yield { do: 'shell', script: sh`install -d -m 755 /etc/modules-load.d /etc/modprobe.d` },
      'kernel modules not set for the next boot',
    )
    const files = work.flatMap(({ spec, state, change }) => filesOf(spec, state).map((one) => ({ ...one, change })))
    yield* namedByResource(
      work.map(({ id, spec }) => ({ id, paths: [blockPath(spec), loadPath(spec)] })),
      file.kind.apply(files.filter((one) => one.spec.state === 'present' || one.state !== ABSENT)),
    )
  },

  orphan: { delete: 'file', note: 'a module that is loaded stays until the next boot' },
  files: (spec) => filesOf(spec).flatMap((one) => (one.spec.state === 'present' ? (file.kind.files?.(one.spec) ?? []) : [])),
})

interface FileWork {
  readonly id: string
  readonly spec: FileSpec
  readonly state: FileState
}

const filesOf = (
  spec: ModuleSpec,
  { load, block }: Pick<ModuleState, 'load' | 'block'> = { load: ABSENT, block: ABSENT },
): readonly FileWork[] => {
  const part = (path: string, content: string, wanted: ModuleSpec['state'], state: FileState): FileWork => ({
    id: path,
    spec: file(spec.state === wanted ? { path, content } : { path, state: 'absent' }).spec,
    state,
  })
  return [
    part(loadPath(spec), `${spec.name}\n`, 'loaded', load),
    // A blacklisted module is loaded by name all the same, so the second line replaces it.
    part(blockPath(spec), `blacklist ${spec.name}\ninstall ${spec.name} /bin/false\n`, 'blocked', block),
  ]
}

const needsLoading = ({ state }: ModuleSpec, { isLive }: ModuleState): boolean => state === 'loaded' && !isLive

const mayAppear = ({ packagesPending, anyPackagesPending, opaquePending }: PlanContext): boolean =>
  packagesPending || anyPackagesPending === true || opaquePending === true
