import type { Release } from './release.ts'

/** One archive of packages: its address, suites and components. */
export interface Archive {
  readonly uri: string
  readonly suites: readonly string[]
  readonly components: readonly string[]
}

/** The address of the packages of a release, and the one of its security updates. */
export interface Mirror {
  readonly main: string
  readonly security: string
}

/** The address of Debian's packages. */
export const DEBIAN = 'http://deb.debian.org/debian'

const DEFAULTS: Readonly<Record<Release['family'], Mirror>> = {
  debian: { main: DEBIAN, security: 'http://deb.debian.org/debian-security' },
  ubuntu: { main: 'http://archive.ubuntu.com/ubuntu', security: 'http://security.ubuntu.com/ubuntu' },
}

/** Where Ubuntu has the architectures other than those of PCs. */
const PORTS: Mirror = { main: 'http://ports.ubuntu.com/ubuntu-ports', security: 'http://ports.ubuntu.com/ubuntu-ports' }

/**
 * Returns the mirror of a family for an architecture: this machine's own, if its apt uses one of that family, otherwise the distribution's.
 * `targets` is the output of `apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI) $(ARCHITECTURE)'`. Hosts reach mirrors through an
 * http proxy, so they cannot use an https mirror or a directory of this machine.
 */
export const mirrorOf = (family: Release['family'], targets: string, architecture: string): Mirror => {
  const listed = targets.split('\n').map((line) => line.trim().split(/ +/))
  const uri = (label: string) =>
    listed
      .find(
        ([origin, itsLabel, at, its]) =>
          origin?.toLowerCase() === family && itsLabel === label && at?.startsWith('http://') && (its === architecture || its === 'all'),
      )
      ?.at(2)
      ?.replace(/\/$/, '')
  const { main, security } = family === 'ubuntu' && !/^(amd64|i386)$/.test(architecture) ? PORTS : DEFAULTS[family]
  if (family === 'ubuntu') return { main: uri('Ubuntu') ?? main, security }
  return { main: uri('Debian') ?? main, security: uri('Debian-Security') ?? security }
}

/** Returns the archives of a release at a mirror. A release under development has no archive of security updates. */
export const archivesOf = ({ family, codename }: Release, { main, security }: Mirror): readonly Archive[] => {
  const components = family === 'debian' ? ['main'] : ['main', 'universe']
  if (codename === 'sid') return [{ uri: main, suites: [codename], components }]
  return [
    { uri: main, suites: [codename, `${codename}-updates`], components },
    { uri: security, suites: [`${codename}-security`], components },
  ]
}

/** Returns apt's sources for archives (deb822-style, sources.list(5)). */
export const aptSources = (archives: readonly Archive[], keyring: string): string =>
  archives
    .map(({ uri, suites, components }) =>
      [
        `Types: deb`,
        `URIs: ${uri}`,
        `Suites: ${suites.join(' ')}`,
        `Components: ${components.join(' ')}`,
        `Signed-By: ${keyring}`,
        '',
      ].join('\n'),
    )
    .join('\n')
