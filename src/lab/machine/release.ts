import { readFileSync } from 'node:fs'
import { Problem } from '../../problem.ts'

/** A release of Debian or Ubuntu. */
export interface Release {
  readonly family: 'debian' | 'ubuntu'
  /** The codename, which is the name of the suite in the archive: `trixie`. */
  readonly codename: string
  /** The name for people: `Debian 13`. */
  readonly title: string
}

/** Returns the text of a list of releases, `debian` or `ubuntu`. */
export type ReadList = (family: Release['family']) => string

// From the package distro-info-data, which stable releases keep up to date: version,codename,series,created,release,eol,…
const readList: ReadList = (family) => readFileSync(`/usr/share/distro-info/${family}.csv`, 'utf8')

/**
 * Returns the release with this codename or version: `trixie`, `13`, `noble` or `24.04`.
 * Throws an input problem if neither Debian nor Ubuntu has one.
 */
export const releaseOf = (name: string, read: ReadList = readList, today: Date = new Date()): Release => {
  const known = FAMILIES.flatMap((family) => releasesOf(family, read))
  const found = known.find(({ codename, version }) => name !== '' && [codename, version].includes(name))
  if (found !== undefined) return { family: found.family, codename: found.codename, title: found.title }
  const supported = known.filter(({ isLongTerm, released, ends }) => isLongTerm && released <= today && today < ends)
  throw new Problem({
    class: 'input',
    where: { command: 'lab' },
    what: `release ${JSON.stringify(name)} is unknown`,
    why: 'neither Debian nor Ubuntu has a release with this codename or version, according to the package distro-info-data of this machine',
    fix: `use a codename, for example ${supported.map(({ codename, title }) => `${codename} (${title})`).join(', ')}`,
  })
}

const FAMILIES = ['debian', 'ubuntu'] as const
const TITLES = { debian: 'Debian', ubuntu: 'Ubuntu' } as const

interface Listed extends Release {
  readonly version: string
  readonly isLongTerm: boolean
  readonly released: Date
  readonly ends: Date
}

const releasesOf = (family: Release['family'], read: ReadList): readonly Listed[] =>
  read(family)
    .split('\n')
    .slice(1)
    .map((line) => line.split(','))
    .filter(({ length }) => length > 3)
    .map(([number = '', , codename = '', , released = '', end = '', longEnd = end]) => {
      const version = number.replace(/ LTS$/, '')
      const isLongTerm = family === 'debian' || version !== number
      const title = `${TITLES[family]} ${version || codename}`
      // Debian's next release and sid have neither a date nor an end.
      return { family, codename, title, version, isLongTerm, released: new Date(released), ends: new Date(longEnd) }
    })
