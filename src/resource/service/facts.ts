import type { Script } from '../../shell/script.ts'
import { glob, join, sh } from '../../shell/sh.ts'
import { ABSENT } from '../kind/inode.ts'
import { type Answers, inodeAt, type SharedQueries } from '../kind/queries.ts'
import type { Aspect } from '../kind/stamp.ts'

/** What a service has loaded beside files: the target of a link, the version of a package, or a mode and its owner. */
export interface LoadedFact extends Aspect {
  /** Key of the resource. */
  readonly key: string
  /** Only a restart loads it. */
  readonly restarts: boolean
}

/** Value by the key of a fact. A fact that is not there has none. */
export type Facts = ReadonlyMap<string, string>

const named = (facts: readonly LoadedFact[], is: Aspect['is']): readonly string[] => [
  ...new Set(facts.flatMap((fact) => (fact.is === is ? [fact.of] : []))),
]

/** The word before a value in a stamp. */
const PREFIX = 'fact\t'
/** One dpkg-query for all packages. It ends with 1 if it does not know one of them. */
const packagesScript = (names: readonly string[]): Script =>
  names.length === 0
    ? sh``
    : sh`dpkg-query -W -f 'fact\\tpackage:\${Package}\\t\${Architecture} \${db:Status-Status} \${Version}\\n' -- ${names} 2>/dev/null || [ $? = 1 ] || exit
`

/** Prints the lines of a stamp for facts. A target can have any character but NUL. */
export const factsScript = (facts: readonly LoadedFact[]): Script => {
  const [links, owned, packages] = [named(facts, 'link'), named(facts, 'permissions'), named(facts, 'package')]
  const inodes = (paths: readonly string[], format: string): Script =>
    paths.length === 0
      ? sh``
      : sh`for p in ${paths}; do [ -e "$p" ] || [ -L "$p" ] || printf 'fact\\tabsent\\t%s\\n' "$p"; done
find ${paths} -maxdepth 0 -printf ${format} 2>/dev/null | tr '\\n\\t\\001\\000' '??\\t\\n'
`
  return sh`${inodes(links, 'fact\\001link:%p\\001%l\\0')}${inodes(owned, 'fact\\001permissions:%p\\001%m %u %g\\0')}${packagesScript(packages)}`
}

/** Words of a shell: paths that are newer than a change of these facts. */
export const factPaths = (facts: readonly LoadedFact[]): Script =>
  join(sh` `, [
    ...named(facts, 'link'),
    ...named(facts, 'permissions'),
    ...named(facts, 'package').flatMap((name) => {
      const record = `/var/lib/dpkg/info/${name.split(':', 1)[0] ?? ''}`
      return [`${record}.list`, glob(`${record}:*.list`)]
    }),
  ])

/** Questions about facts. */
export const factQueries = (facts: readonly LoadedFact[]): { readonly shared: SharedQueries; readonly script: Script } => ({
  shared: { inodes: [...named(facts, 'link'), ...named(facts, 'permissions')] },
  script: packagesScript(named(facts, 'package')),
})

/** Reads the facts of a host from shared answers, and the lines of its packages. */
export const readFacts = (facts: readonly LoadedFact[], lines: readonly string[], answers: Answers): Facts => {
  const packages = factLines(lines)
  return new Map(
    facts.flatMap(({ is, of, key }): readonly (readonly [string, string])[] => {
      if (is === 'package') return versionOf(packages, of).map((version) => [key, version])
      const inode = inodeAt(answers, of)
      if (inode === ABSENT) return []
      return [[key, is === 'link' ? inode.target.replaceAll(/[\n\t\x01]/g, '?') : `${inode.mode} ${inode.owner} ${inode.group}`]]
    }),
  )
}

/** Reads the facts that a stamp has. */
export const loadedFacts = (facts: readonly LoadedFact[], lines: readonly string[]): Facts => {
  const found = factLines(lines)
  return new Map(
    facts.flatMap(({ is, of, key }): readonly (readonly [string, string])[] =>
      is === 'package'
        ? versionOf(found, of).map((version) => [key, version])
        : found.flatMap(([name, value]) => (name === `${is}:${of}` ? [[key, value] as const] : [])),
    ),
  )
}

const factLines = (lines: readonly string[]): readonly (readonly [string, string])[] =>
  lines.flatMap((line) => {
    if (!line.startsWith(PREFIX)) return []
    const [name = '', ...value] = line.slice(PREFIX.length).split('\t')
    return [[name, value.join('\t')] as const]
  })

/** The version of an installed package; those of all architectures if it names none. */
const versionOf = (lines: readonly (readonly [string, string])[], wanted: string): readonly string[] => {
  const [name, architecture] = wanted.split(':')
  const versions = lines.flatMap(([key, value]) => {
    const [of, status, version = ''] = value.split(' ')
    return key === `package:${name}` && status === 'installed' && (architecture === undefined || of === architecture) ? [version] : []
  })
  return versions.length === 0 ? [] : [versions.toSorted().join(' ')]
}
