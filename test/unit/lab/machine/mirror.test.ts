import { describe, expect, it } from 'vitest'
import { aptSources, archivesOf, mirrorOf } from '../../../../src/lab/machine/mirror.ts'

const DEBIAN = { main: 'http://deb.debian.org/debian', security: 'http://deb.debian.org/debian-security' }
const UBUNTU = { main: 'http://archive.ubuntu.com/ubuntu', security: 'http://security.ubuntu.com/ubuntu' }

describe('the mirror', () => {
  it("is the one of this machine's apt for its own distribution, and the default for the other one", () => {
    const debian = `Google Cloud-SDK http://packages.example.org/apt amd64
Debian Debian http://mirror.example.org/debian/ amd64
Debian Debian http://other.example.org/debian/ amd64
Debian Debian-Security http://mirror.example.org/security/ all
`
    expect(mirrorOf('debian', debian, 'amd64')).toEqual({
      main: 'http://mirror.example.org/debian',
      security: 'http://mirror.example.org/security',
    })
    expect(mirrorOf('ubuntu', debian, 'amd64')).toEqual(UBUNTU)
    const ubuntu = 'Ubuntu Ubuntu http://de.archive.example.org/ubuntu/ amd64\n'
    expect(mirrorOf('ubuntu', ubuntu, 'amd64')).toEqual({ ...UBUNTU, main: 'http://de.archive.example.org/ubuntu' })
    expect(mirrorOf('debian', ubuntu, 'amd64')).toEqual(DEBIAN)
  })

  it('of another architecture is not the one of this machine', () => {
    const ubuntu = 'Ubuntu Ubuntu http://de.archive.example.org/ubuntu/ amd64\n'
    expect(mirrorOf('ubuntu', ubuntu, 'arm64')).toEqual({
      main: 'http://ports.ubuntu.com/ubuntu-ports',
      security: 'http://ports.ubuntu.com/ubuntu-ports',
    })
    expect(mirrorOf('debian', 'Debian Debian http://mirror.example.org/debian/ amd64\n', 'arm64')).toEqual(DEBIAN)
  })

  it.each([
    '',
    'Debian Debian https://mirror.example.org/debian/ amd64\n',
    'Debian Debian file:/srv/debian/ amd64\n',
    'Debian Debian-Backports http://x/ amd64\n',
  ])('is the default if hosts cannot reach the one of this machine through the package cache: %j', (targets) => {
    expect(mirrorOf('debian', targets, 'amd64')).toEqual(DEBIAN)
  })
})

describe("apt's sources", () => {
  it('of Debian are main with updates and security', () => {
    expect(aptSources(archivesOf({ family: 'debian', codename: 'trixie', title: 'Debian 13' }, DEBIAN), '/keys.gpg')).toBe(
      `Types: deb
URIs: http://deb.debian.org/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /keys.gpg

Types: deb
URIs: http://deb.debian.org/debian-security
Suites: trixie-security
Components: main
Signed-By: /keys.gpg
`,
    )
  })

  it('of Ubuntu have universe, where most of the packages of the roles are', () => {
    expect(archivesOf({ family: 'ubuntu', codename: 'noble', title: 'Ubuntu 24.04' }, UBUNTU)).toEqual([
      { uri: UBUNTU.main, suites: ['noble', 'noble-updates'], components: ['main', 'universe'] },
      { uri: UBUNTU.security, suites: ['noble-security'], components: ['main', 'universe'] },
    ])
  })

  it('of sid have neither updates nor security', () => {
    expect(archivesOf({ family: 'debian', codename: 'sid', title: 'Debian sid' }, DEBIAN)).toEqual([
      { uri: DEBIAN.main, suites: ['sid'], components: ['main'] },
    ])
  })
})
