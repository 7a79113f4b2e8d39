import { z } from 'zod'
import { sh } from '../../shell/sh.ts'
import { readText, writeFiles } from '../file/write.ts'
import { describeDifferences } from '../kind/differences.ts'
import { ABSENT } from '../kind/inode.ts'
import { type Change, type Difference, defineKind, type PlanContext, type Work } from '../kind/kind.ts'
import { inodeAt } from '../kind/queries.ts'
import { HostRefusal, requireSuccess, type Steps } from '../kind/step.ts'
import { CHANGED } from '../kind/walk.ts'

const schema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z]{2,3}_[A-Z]{2}\.UTF-8(@[a-z0-9]+)?$/, 'must be a locale with UTF-8, such as de_DE.UTF-8')
    .meta({ description: 'name of the locale', examples: ['de_DE.UTF-8'] }),
  default: z.boolean().default(false).meta({ description: 'true: sessions and services have this locale (LANG)' }),
})

type LocaleSpec = z.output<typeof schema>

export interface LocaleState {
  /** /etc/locale.gen has its line: a new version of libc generates it again. */
  readonly isListed: boolean
  readonly isGenerated: boolean
  /** LANG of the host. */
  readonly lang: string | undefined
  /** The package locales is installed. */
  readonly hasGenerator: boolean
}

const [LIST, GENERATOR] = ['/etc/locale.gen', '/usr/sbin/locale-gen']
/** Debian 13 has a link from the first to the second. */
const DEFAULTS = ['/etc/default/locale', '/etc/locale.conf']

const lineOf = ({ name }: LocaleSpec): string => `${name} UTF-8`
/** `locale -a` prints the charset in this form. */
const printed = ({ name }: LocaleSpec): string => name.replace('UTF-8', 'utf8')

/** A locale that programs can use. */
export const locale = defineKind({
  name: 'locale',
  summary: 'locale that programs can use',
  schema,
  id: ({ name }) => name,

  observe: (specs: readonly LocaleSpec[]) => ({
    shared: { inodes: [GENERATOR], texts: [LIST, ...DEFAULTS] },
    script: sh`locale -a; echo end`,
    parse: (stdout, answers) => {
      const lines = stdout.toString().split('\n')
      if (lines.at(-2) !== 'end') throw new Error('the host did not report its locales')
      const listed = new Set((answers.texts.get(LIST) ?? []).map((line) => line.trim()))
      const [lang] = DEFAULTS.flatMap((path) =>
        (answers.texts.get(path) ?? []).flatMap((line) => /^LANG="?([^"]*)"?$/.exec(line)?.[1] ?? []),
      )
      const hasGenerator = inodeAt(answers, GENERATOR) !== ABSENT
      return new Map(
        specs.map((spec): [string, LocaleState] => [
          spec.name,
          { isListed: listed.has(lineOf(spec)), isGenerated: lines.includes(printed(spec)), lang, hasGenerator },
        ]),
      )
    },
  }),

  plan: (spec, state: LocaleState, context): Change | undefined => {
    const differences: readonly Difference[] = [
      ...(state.isGenerated ? [] : [{ key: 'generated', from: 'no', to: 'yes' }]),
      ...(state.isListed ? [] : [{ key: 'line in /etc/locale.gen', to: lineOf(spec) }]),
      ...(!spec.default || state.lang === spec.name
        ? []
        : [{ key: 'default', ...(state.lang !== undefined && { from: state.lang }), to: spec.name }]),
    ]
    if (differences.length === 0) return undefined
    const certainty = state.hasGenerator || !mayAppear(context) ? 'exact' : 'dependent'
    const isNew = !state.isGenerated && !state.isListed
    return { action: isNew ? 'create' : 'update', certainty, reason: isNew ? 'missing' : describeDifferences(differences), differences }
  },

  forbids: (spec, { hasGenerator, isGenerated, isListed }, context) =>
    hasGenerator || (isGenerated && isListed && !spec.default) || mayAppear(context)
      ? undefined
      : new HostRefusal(
          `locale ${spec.name} cannot be generated`,
          `${GENERATOR} does not exist on the host`,
          'declare the package locales before it',
        ),

  *apply(work: readonly Work<LocaleSpec, LocaleState>[]): Steps {
    const known = yield {
      do: 'shell',
      script: sh`[ -e ${GENERATOR} ] || { echo 'the package locales is not installed' >&2; exit 1; }
for line in ${work.map(({ spec }) => lineOf(spec))}; do grep -qxF -e "$line" /usr/share/i18n/SUPPORTED || { echo "libc has no locale \${line% *}" >&2; exit 1; }; done`,
    }
    requireSuccess(
      known,
      'locales not generated',
      'declare the package locales before it, or correct the name: /usr/share/i18n/SUPPORTED on the host lists all; nothing was changed',
    )
    const list = yield* readText(LIST)
    const content = work.reduce((text, { spec }) => withLine(text, lineOf(spec)), list.content)
    if (content !== list.content) yield* writeFiles([{ ...list, content }], `writing ${LIST}`)
    const [chosen] = work.filter(({ spec, state }) => spec.default && state.lang !== spec.name)
    const lang =
      chosen === undefined
        ? sh``
        : sh`now=$(sed -n 's/^LANG="\\{0,1\\}\\([^"]*\\)"\\{0,1\\}$/\\1/p' ${DEFAULTS} 2>/dev/null | head -n 1)
case $now in ${chosen.state.lang ?? ''}|${chosen.spec.name}) ;; *) echo 'the default locale is not as it was observed' >&2; exit ${CHANGED} ;; esac
update-locale ${`LANG=${chosen.spec.name}`}`
    const missing = work.filter(({ state }) => !state.isGenerated)
    const answer = yield {
      do: 'shell',
      doing: 'generating locales',
      script: sh`${
        missing.length === 0
          ? sh``
          : sh`{ locale-gen --keep-existing >"$T/locales" 2>&1 </dev/null && locale -a >>"$T/locales"; } || { tail -n 15 "$T/locales" >&2; exit 1; }
for name in ${missing.map(({ spec }) => printed(spec))}; do grep -qxF -e "$name" "$T/locales" || { echo "locale-gen did not generate $name" >&2; exit 1; }; done`
      }
${lang}`,
    }
    requireSuccess(answer, 'locales not generated', 'fix the problem that the host reports, then run again')
  },

  contained: true,
  orphan: { keep: 'programs may use the locale; delete its line in /etc/locale.gen by hand, and run locale-gen' },
})

/** The text with this line, in place of the same line as a comment. */
const withLine = (text: string, line: string): string => {
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n')
  if (lines.some((one) => one.trim() === line)) return text
  const comment = lines.findIndex((one) => one.replace(/^#\s*/, '').trim() === line)
  return `${(comment < 0 ? [...lines, line] : lines.with(comment, line)).join('\n')}\n`
}

const mayAppear = ({ packagesPending, anyPackagesPending, opaquePending }: PlanContext): boolean =>
  packagesPending || anyPackagesPending === true || opaquePending === true
