import { existsSync, lstatSync, readFileSync, readlinkSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { HOLD, holdFunctions, POLICY } from '../../../../src/resource/package/hold.ts'
import { type PackageHost, packageHost } from './host.ts'

/** Holds services back, runs a script, and releases them. */
const during = (host: PackageHost, script: string) => host.run(`${holdFunctions}\nhold || exit 7\n${script}\nrelease`)
const ADMIN = '#!/bin/sh\nexit 3\n'
const OURS = String(POLICY)
const policyOf = (host: PackageHost): string | undefined =>
  existsSync(join(host.root, HOLD.policy)) ? readFileSync(join(host.root, HOLD.policy), 'utf8') : undefined

/** Lists units as systemctl does, if it is asked as the machine would be. */
const SYSTEMCTL = `case "$*" in
'list-units --state=active,activating,reloading --type=service,socket --plain --no-legend --no-pager') printf 'nginx.service loaded active running web\\nssh.socket loaded active\\n' ;;
'list-unit-files --state=enabled --type=service,socket --plain --no-legend --no-pager') echo 'cron.service enabled enabled' ;;
'show -P Id -- mysql') echo nginx.service ;;
'show -P Id -- '*) [ "$4" != broken ] && [ "$4" != broken.service ] || exit 1; echo "$4" ;;
*) exit 64 ;;
esac`

describe('services of packages', { timeout: 30_000 }, () => {
  it('are neither started nor enabled during an installation, but for those that ran or were enabled', () => {
    const host = packageHost([])
    host.program('systemctl', SYSTEMCTL)
    const ask = (...words: readonly string[]): string => `sh ${HOLD.policy} ${words.join(' ')}; echo "${words.join(' ')}: $?"`
    const { status, stdout, stderr } = during(
      host,
      `${ask('nginx', 'restart')}
${ask('nginx.service', 'restart')}
${ask('--quiet', 'cron', 'start', 'apache2')}
${ask('ssh.socket', 'start')}
${ask('ssh', 'start')}
${ask('apache2', 'start')}
${ask('ngin', 'start')}
${ask('mysql', 'restart')}
${ask('broken', 'start')}
${ask('"*"', 'start')}
${ask('--list')}
(unset PROVISION_HOLD; ${ask('apache2', 'start')})
stat -c %a ${HOLD.policy} ${HOLD.preset} "$(dirname ${HOLD.preset})"; cat ${HOLD.preset}`,
    )
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout.split('\n').slice(0, -1)).toEqual([
      ...['nginx restart: 0', 'nginx.service restart: 0', '--quiet cron start apache2: 0', 'ssh.socket start: 0'],
      ...['ssh start: 101', 'apache2 start: 101', 'ngin start: 101', 'mysql restart: 0', 'broken start: 101'],
      // All units that run, and a question about no unit.
      ...['* start: 0', '--list: 0'],
      // Another program than our apt.
      'apache2 start: 0',
      ...['755', '644', '755', 'disable *.service', 'disable *.socket'],
    ])
    expect([policyOf(host), existsSync(join(host.root, HOLD.preset))]).toEqual([undefined, false])
  })

  it('obey the policy of the administrator as well', () => {
    const host = packageHost([])
    host.write(HOLD.policy, '#!/bin/sh\necho "theirs: $*"; exit 3\n')
    host.run(`chmod 755 ${HOLD.policy}`)
    host.program('systemctl', SYSTEMCTL)
    const { stdout } = during(
      host,
      `sh ${HOLD.policy} nginx start; echo $?; sh ${HOLD.policy} apache2 start; echo $?; chmod 644 ${HOLD.kept}; sh ${HOLD.policy} nginx; echo $?`,
    )
    expect(stdout).toBe('theirs: nginx start\n3\n101\n0\n')
    expect(policyOf(host)).toContain('theirs')
  })

  it('obey a policy that is a link to nothing, which is restored', () => {
    const host = packageHost([])
    symlinkSync('nowhere', join(host.root, HOLD.policy))
    expect(during(host, `[ ! -L ${HOLD.policy} ] || echo link`)).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(readlinkSync(join(host.root, HOLD.policy))).toBe('nowhere')
  })

  it('are held back once, also after an interrupted installation', () => {
    const host = packageHost([])
    host.write(HOLD.policy, OURS)
    host.write(HOLD.kept, ADMIN)
    expect(during(host, `cat ${HOLD.kept}`)).toEqual({ status: 0, stdout: ADMIN, stderr: '' })
    expect(policyOf(host)).toBe(ADMIN)
    expect(existsSync(join(host.root, HOLD.kept))).toBe(false)
  })

  it('keep the newest policy of the administrator', () => {
    const host = packageHost([])
    host.write(HOLD.policy, ADMIN)
    during(host, `rm ${HOLD.policy}; echo newer >${HOLD.policy}`)
    expect(policyOf(host)).toBe('newer\n')
    expect(existsSync(join(host.root, HOLD.kept))).toBe(false)
    during(host, `rm ${HOLD.policy}; ln -s nowhere ${HOLD.policy}`)
    expect(readlinkSync(join(host.root, HOLD.policy))).toBe('nowhere')
    expect(existsSync(join(host.root, HOLD.kept))).toBe(false)
  })

  it.each([
    ['its preset cannot be written', 'touch /run/systemd/system-preset'],
    [
      'the policy of the administrator cannot be moved',
      `mkdir -p /usr/sbin/policy-rc.d.provision-kept/policy-rc.d/x; echo x >${HOLD.policy}`,
    ],
  ])('prevent the installation if %s', (_, damage) => {
    const host = packageHost([])
    host.write('run/systemd/x')
    host.run(damage)
    expect(during(host, 'echo installed')).toMatchObject({ status: 7, stdout: '' })
  })

  it('are not affected by a similar file of somebody else', () => {
    const host = packageHost([])
    host.write(HOLD.policy, `#!/bin/sh\n# a policy\n${HOLD.mark}\n`)
    during(host, ':')
    expect(policyOf(host)).toContain('# a policy')
    expect(lstatSync(join(host.root, HOLD.policy)).isFile() && statSync(join(host.root, HOLD.policy)).size).toBeGreaterThan(0)
  })
})
