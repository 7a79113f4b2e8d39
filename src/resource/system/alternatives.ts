import { z } from 'zod'
import { sh } from '../../shell/sh.ts'
import { describeDifferences, differing } from '../kind/differences.ts'
import { ABSENT } from '../kind/inode.ts'
import { type Change, defineKind, type PlanContext, type Work } from '../kind/kind.ts'
import { inTurn } from '../kind/one-by-one.ts'
import { absolutePath } from '../kind/path.ts'
import { inodeAt } from '../kind/queries.ts'
import { HostRefusal, type Steps } from '../kind/step.ts'
import { CHANGED } from '../kind/walk.ts'

const schema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9.+_-]*$/, 'must be the name of a group such as editor')
      .meta({ description: 'name of the group of alternatives', examples: ['editor'] }),
    path: absolutePath.optional().meta({ description: 'the program that the name stands for', examples: ['/usr/bin/vim.basic'] }),
    automatic: z.boolean().default(false).meta({ description: 'true: the packages decide by their priorities' }),
  })
  .refine(({ path, automatic }) => (path === undefined) === automatic, { message: 'must be set, or automatic: true', path: ['path'] })

type AlternativesSpec = z.output<typeof schema>

export interface AlternativesState {
  /** Target of the link in /etc/alternatives. */
  readonly path: string | undefined
  readonly mode: 'auto' | 'manual' | undefined
  /** Lines of dpkg's record of the group, which has the path of each alternative. */
  readonly known: readonly string[]
}

const linkOf = (name: string): string => `/etc/alternatives/${name}`
const recordOf = (name: string): string => `/var/lib/dpkg/alternatives/${name}`

/** The program that a name such as `editor` stands for (update-alternatives(1)). */
export const alternatives = defineKind({
  name: 'alternatives',
  summary: 'program that a name such as `editor` stands for',
  schema,
  id: ({ name }) => name,

  observe: (specs: readonly AlternativesSpec[]) => ({
    shared: { inodes: specs.flatMap(({ name }) => [linkOf(name), recordOf(name)]), texts: specs.map(({ name }) => recordOf(name)) },
    script: sh``,
    parse: (_, answers) =>
      new Map(
        specs.map(({ name }): [string, AlternativesState] => {
          const link = inodeAt(answers, linkOf(name))
          const known = inodeAt(answers, recordOf(name)) === ABSENT ? [] : (answers.texts.get(recordOf(name)) ?? [])
          const [mode] = known
          if (link !== ABSENT && link.target.includes('\0')) throw new Error(`the link of ${name} has a NUL`)
          return [
            name,
            { path: link === ABSENT ? undefined : link.target, mode: mode === 'auto' || mode === 'manual' ? mode : undefined, known },
          ]
        }),
      ),
  }),

  plan: ({ path, automatic }, state: AlternativesState, context): Change | undefined => {
    const mode = automatic ? 'auto' : 'manual'
    if (automatic && state.mode === undefined) return undefined
    const differences = differing({ mode, ...(path !== undefined && { path }) }, { mode: state.mode, path: state.path })
    if (differences.length === 0) return undefined
    const isThere = path === undefined || state.known.includes(path)
    return {
      action: 'update',
      certainty: isThere || !mayAppear(context) ? 'exact' : 'dependent',
      reason: describeDifferences(differences),
      differences,
    }
  },

  forbids: ({ name, path }, { mode, known }, context) => {
    if (path === undefined || known.includes(path) || mayAppear(context)) return undefined
    return new HostRefusal(
      `${path} is no alternative for ${name}`,
      mode === undefined
        ? `the host has no alternatives for ${name}`
        : `the host has ${known
            .filter((line) => line.startsWith('/'))
            .slice(1)
            .join(', ')}`,
      'declare the package that has it first, or correct the path',
    )
  },

  *apply(work: readonly Work<AlternativesSpec, AlternativesState>[]): Steps {
    yield* inTurn(
      work,
      ({ spec: { name, path } }) =>
        sh`LC_ALL=C update-alternatives --quiet ${path === undefined ? ['--auto', name] : ['--set', name, path]}`,
      {
        doing: 'choosing alternatives',
        before: sh`${work.map(
          ({ id, spec, state }) => sh`now=$(readlink -- ${linkOf(spec.name)}) || now=
case $now in ${state.path ?? ''}|${spec.path ?? ''}) ;; *) ${state.path === undefined ? sh`false` : sh`printf 'culprit\\0%s\\0' ${id}; echo ${`the alternative for ${id} is not as it was observed`} >&2; exit ${CHANGED}`} ;; esac`,
        )}`,
        failed: (id) => `alternative for ${id} not changed`,
        fix: 'fix the problem that update-alternatives reports, then run again',
      },
    )
  },

  contained: true,
  orphan: { keep: 'programs may use this name; declare it with automatic: true to let the packages decide' },
})

const mayAppear = ({ packagesPending, anyPackagesPending, opaquePending }: PlanContext): boolean =>
  packagesPending || anyPackagesPending === true || opaquePending === true
