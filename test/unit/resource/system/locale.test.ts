import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { locale } from '../../../../src/resource/system/locale.ts'
import { faultsOf } from '../faults.ts'
import { context } from '../recorded.ts'
import { here } from '../run-here.ts'

const hostWith = (list = '# de_DE.UTF-8 UTF-8\n# fr_FR ISO-8859-1\nen_US.UTF-8 UTF-8\n') => {
  const host = here('/etc', '/usr/sbin/locale-gen', '/usr/share/i18n')
  onTestFinished(() => host.remove())
  for (const path of ['/etc/default', '/usr/sbin', '/usr/share/i18n']) mkdirSync(host.at(path), { recursive: true })
  writeFileSync(host.at('/etc/locale.gen'), list)
  writeFileSync(host.at('/usr/sbin/locale-gen'), '')
  writeFileSync(host.at('/usr/share/i18n/SUPPORTED'), 'de_DE.UTF-8 UTF-8\nen_US.UTF-8 UTF-8\nfr_FR.UTF-8 UTF-8\n')
  writeFileSync(host.at('made'), 'C\nen_US.utf8\n')
  host.program('locale', `cat ${host.at('made')}`)
  host.program(
    'locale-gen',
    `echo "locale-gen $*" >>${host.at('calls')}; sed -n 's/^\\([a-z].*\\)\\.UTF-8 UTF-8$/\\1.utf8/p' ${host.at('/etc/locale.gen')} >>${host.at('made')}`,
  )
  host.program('update-locale', `echo "update-locale $*" >>${host.at('calls')}; echo "$1" >${host.at('/etc/default/locale')}`)
  return host
}
const german = locale({ name: 'de_DE.UTF-8', default: true })

describe('a locale', () => {
  it('is listed, generated and chosen, and then has nothing to do', () => {
    const host = hostWith()
    const work = host.plan(german)
    expect(work[0]?.change).toEqual({
      ...{ action: 'create', certainty: 'exact', reason: 'missing' },
      differences: [
        { key: 'generated', from: 'no', to: 'yes' },
        { key: 'line in /etc/locale.gen', to: 'de_DE.UTF-8 UTF-8' },
        { key: 'default', to: 'de_DE.UTF-8' },
      ],
    })
    expect(host.apply(work, locale.kind)).toBeUndefined()
    expect(readFileSync(host.at('/etc/locale.gen'), 'utf8')).toBe('de_DE.UTF-8 UTF-8\n# fr_FR ISO-8859-1\nen_US.UTF-8 UTF-8\n')
    expect(host.sh('cat calls')).toBe('locale-gen --keep-existing\nupdate-locale LANG=de_DE.UTF-8\n')
    expect(host.plan(german)).toEqual([])
  })

  it('gets a line of its own where none is a comment, and is not generated twice', () => {
    const host = hostWith('')
    expect(host.apply(host.plan(locale({ name: 'en_US.UTF-8' }), locale({ name: 'fr_FR.UTF-8' })), locale.kind)).toBeUndefined()
    expect(readFileSync(host.at('/etc/locale.gen'), 'utf8')).toBe('en_US.UTF-8 UTF-8\nfr_FR.UTF-8 UTF-8\n')
    // A new version of libc deletes what was generated.
    writeFileSync(host.at('made'), 'C\n')
    expect(host.apply(host.plan(locale({ name: 'en_US.UTF-8' })), locale.kind)).toBeUndefined()
    expect(readFileSync(host.at('/etc/locale.gen'), 'utf8')).toBe('en_US.UTF-8 UTF-8\nfr_FR.UTF-8 UTF-8\n')
    writeFileSync(host.at('calls'), '')
    const work = host.plan(locale({ name: 'fr_FR.UTF-8', default: true }))
    expect(work[0]?.change).toMatchObject({ action: 'update', reason: 'default differs' })
    expect(host.apply(work, locale.kind)).toBeUndefined()
    expect(host.sh('cat calls')).toBe('update-locale LANG=fr_FR.UTF-8\n')
  })

  it('changes nothing if libc does not have it, and does not replace the choice of somebody else', () => {
    const host = hostWith()
    expect(host.apply(host.plan(locale({ name: 'xx_XX.UTF-8' })), locale.kind)).toMatchObject({
      what: 'locales not generated (exit 1)',
      why: 'libc has no locale xx_XX.UTF-8',
    })
    expect(readFileSync(host.at('/etc/locale.gen'), 'utf8')).not.toContain('xx_XX')
    const work = host.plan(german)
    writeFileSync(host.at('/etc/locale.conf'), 'LANG="fr_FR.UTF-8"\n')
    expect(host.apply(work, locale.kind)?.why).toBe('the default locale is not as it was observed')
    expect(host.plan(german)[0]?.change.differences).toContainEqual({ key: 'default', from: 'fr_FR.UTF-8', to: 'de_DE.UTF-8' })
  })

  it('that locale-gen does not make is an error', () => {
    const host = hostWith()
    host.program('locale-gen', 'echo failing; exit 0')
    expect(host.apply(host.plan(german), locale.kind)?.why).toBe('locale-gen did not generate de_DE.utf8')
    host.program('locale-gen', 'echo failing; exit 1')
    expect(host.apply(host.plan(german), locale.kind)?.why).toBe('failing')
  })

  it('needs the package locales', () => {
    const state = { isListed: false, isGenerated: false, lang: undefined, hasGenerator: false }
    const asked = (more: object, now = state) => [
      locale.kind.forbids?.(german.spec, now, { ...context, ...more })?.what,
      locale.kind.plan(german.spec, now, { ...context, ...more })?.certainty,
    ]
    expect(asked({})).toEqual(['locale de_DE.UTF-8 cannot be generated', 'exact'])
    expect(asked({ packagesPending: true })).toEqual([undefined, 'dependent'])
    expect(asked({}, { ...state, hasGenerator: true })).toEqual([undefined, 'exact'])
  })

  it('names the package if an installation did not bring it', () => {
    const host = hostWith()
    const work = host.plan(german)
    host.sh('rm usr/sbin/locale-gen')
    expect(host.apply(work, locale.kind)).toMatchObject({
      why: 'the package locales is not installed',
      fix: expect.stringMatching(/^declare the package locales before it/),
    })
  })

  it.each(['de_DE', 'de_DE.ISO-8859-1', 'de', 'C.UTF-8', 'de_DE.UTF-8\nx', '../de_DE.UTF-8'])('is not %j', (name) => {
    expect(faultsOf(locale, { name })).toEqual(['name'])
  })

  it('is never taken from an answer that is cut off', () => {
    expect(() => locale.kind.observe([german.spec]).parse(Buffer.from('C\nde_DE.utf8\n'), {} as never)).toThrow(
      'the host did not report its locales',
    )
  })
})
