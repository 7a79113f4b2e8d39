import { describe, expect, it } from 'vitest'
import { releaseOf } from '../../../../src/lab/machine/release.ts'

const LISTS = {
  debian: `version,codename,series,created,release,eol,eol-lts,eol-elts
11,Bullseye,bullseye,2019-07-06,2021-08-14,2024-08-14,2026-08-31,2031-06-30
12,Bookworm,bookworm,2021-08-14,2023-06-10,2026-06-10,2028-06-30,2033-06-30
13,Trixie,trixie,2023-06-10,2025-08-09,2028-08-09,2030-06-30,2035-06-30
14,Forky,forky,2025-08-09
,Sid,sid,1993-08-16,1993-08-16
`,
  ubuntu: `version,codename,series,created,release,eol,eol-server,eol-esm,eol-legacy
24.04 LTS,Noble Numbat,noble,2023-10-12,2024-04-25,2029-05-31,2029-05-31,2034-04-25,2036-04-29
25.10,Questing Quokka,questing,2025-04-17,2025-10-09,2026-07-09
26.04 LTS,Resolute Raccoon,resolute,2025-10-09,2026-04-23,2031-05-29,2031-05-29,2036-04-23,2038-04-27
`,
}
const find = (name: string) => releaseOf(name, (family) => LISTS[family], new Date('2026-11-30'))

describe('a release', () => {
  it.each([
    ['trixie', { family: 'debian', codename: 'trixie', title: 'Debian 13' }],
    ['13', { family: 'debian', codename: 'trixie', title: 'Debian 13' }],
    ['noble', { family: 'ubuntu', codename: 'noble', title: 'Ubuntu 24.04' }],
    ['24.04', { family: 'ubuntu', codename: 'noble', title: 'Ubuntu 24.04' }],
    ['questing', { family: 'ubuntu', codename: 'questing', title: 'Ubuntu 25.10' }],
    ['forky', { family: 'debian', codename: 'forky', title: 'Debian 14' }],
    ['sid', { family: 'debian', codename: 'sid', title: 'Debian sid' }],
  ])('is found by codename or version: %s', (name, release) => {
    expect(find(name)).toEqual(release)
  })

  it.each(['trixy', '', '24.04 LTS', 'Trixie', '1'])('that does not exist is refused, with those that are supported today: %j', (name) => {
    expect(() => find(name)).toThrow(
      expect.objectContaining({
        class: 'input',
        what: `release ${JSON.stringify(name)} is unknown`,
        fix: 'use a codename, for example bookworm (Debian 12), trixie (Debian 13), noble (Ubuntu 24.04), resolute (Ubuntu 26.04)',
      }),
    )
  })
})
