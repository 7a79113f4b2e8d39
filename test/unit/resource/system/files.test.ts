import { describe, expect, it } from 'vitest'
import { asText, bytesOf } from '../../../../src/resource/kind/content.ts'
import type { AnyKind, Resource } from '../../../../src/resource/kind/kind.ts'
import { cron } from '../../../../src/resource/system/cron.ts'
import { limits } from '../../../../src/resource/system/limits.ts'
import { logrotate } from '../../../../src/resource/system/logrotate.ts'
import { sudoers } from '../../../../src/resource/system/sudoers.ts'
import { context } from '../recorded.ts'
import { here } from '../run-here.ts'

const fileOf = ({ kind, spec }: Resource) => {
  const content = kind.content?.(spec)
  const [effect] = kind.effects?.(spec) ?? []
  const mode = effect !== undefined && 'becomes' in effect && effect.becomes !== 'absent' ? effect.becomes.mode : undefined
  return { path: kind.files?.(spec)[0]?.path, mode, text: content && asText(bytesOf(content)) }
}
const refused = (declare: { readonly kind: AnyKind }, options: object): readonly string[] =>
  declare.kind.schema.safeParse(options).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? []

describe('a file of cron', () => {
  const job = (schedule: string, command = 'true') => ({ name: 'report', jobs: [{ schedule, command }] })

  it('has the environment, and a line for each job', () => {
    const jobs = [
      { schedule: ' */5  8-18 * jan,mar mon-fri ', user: 'shop', command: 'date +%F >/tmp/x; echo "a b"' },
      { schedule: '@reboot', command: 'true' },
    ]
    expect(fileOf(cron({ name: 'report', environment: { MAILTO: 'ann@example.test', X: '' }, jobs }))).toEqual({
      path: '/etc/cron.d/report',
      mode: '644',
      text: 'MAILTO="ann@example.test"\nX=""\n*/5 8-18 * jan,mar mon-fri shop date +\\%F >/tmp/x; echo "a b"\n@reboot root true\n',
    })
    expect(cron.kind.accounts?.(cron({ name: 'report', jobs }).spec)).toEqual({ users: ['shop', 'root'] })
  })

  it.each(['* * * * *', '0-59/15 0 1,15 12 0,7', '5 4 * * SUN', '0 0 1 1 *', '1-5,7-9/2 * * * *', '@daily', '* * * dec sat'])(
    'runs at %j',
    (time) => {
      expect(refused(cron, job(time))).toEqual([])
    },
  )

  it.each([
    ['60 * * * *', '"60" is no minute: use *, 0-59, lists and steps such as */5'],
    ['* 24 * * *', '"24" is no hour: use *, 0-23, lists and steps such as */5'],
    ['* * 0 * *', '"0" is no day of the month: use *, 1-31, lists and steps such as */5'],
    ['* * 32 * *', '"32" is no day of the month: use *, 1-31, lists and steps such as */5'],
    ['* * * 13 *', '"13" is no month: use *, 1-12, jan-dec, lists and steps such as */5'],
    ['* * * * 8', '"8" is no day of the week: use *, 0-7, sun-sat, lists and steps such as */5'],
    ['* * * * lun', '"lun" is no day of the week: use *, 0-7, sun-sat, lists and steps such as */5'],
    ['5/10 * * * *', '"5/10" is no minute: use *, 0-59, lists and steps such as */5'],
    ['*/0 * * * *', '"*/0" is no minute: use *, 0-59, lists and steps such as */5'],
    ['*/60 * * * *', '"*/60" is no minute: use *, 0-59, lists and steps such as */5'],
    ['9-5 * * * *', '"9-5" is no minute: use *, 0-59, lists and steps such as */5'],
    ['1-2-3 * * * *', '"1-2-3" is no minute: use *, 0-59, lists and steps such as */5'],
    ['1, * * * *', '"1," is no minute: use *, 0-59, lists and steps such as */5'],
    ['* * * *', 'must have five fields: minute, hour, day of the month, month, day of the week'],
    ['* * * * * root', 'must have five fields: minute, hour, day of the month, month, day of the week'],
    ['@often', 'must be five fields, or one of @reboot, @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly'],
  ])('does not run at %j', (time, why) => {
    expect(refused(cron, job(time))).toEqual([`jobs.0.schedule: ${why}`])
  })

  it.each<[object, RegExp]>([
    [{ ...job('@daily'), name: 'report.sh' }, /^name: must be a name of letters/],
    [{ ...job('@daily'), name: 'a/b' }, /^name: /],
    [job('@daily', 'true\n* * * * * root id'), /^jobs.0.command: must be one line of sh/],
    [job('@daily', 'date +\\%F'), /^jobs.0.command: must have no \\% and no \\\\, which cron changes/],
    [job('@daily', "printf 'a\\\\b'"), /^jobs.0.command: must have no \\% and no/],
    [job('@daily', `echo ${'%'.repeat(500)}`), /^jobs.0.command: must have at most 998 characters/],
    [{ ...job('@daily'), environment: { 'A=b\nC': 'x' } }, /^environment/],
    [{ ...job('@daily'), environment: { A: 'x\n* * * * * root id' } }, /^environment.A: must be one line/],
    [{ name: 'report', jobs: [{ schedule: '@daily', user: 'root id', command: 'true' }] }, /^jobs.0.user: /],
    [{ name: 'report' }, /^jobs: is missing/],
  ])('refuses %j', (options, issue) => {
    expect(refused(cron, options)[0]).toMatch(issue)
  })
})

describe('a rule of sudo', () => {
  it('names who runs what as whom', () => {
    const commands = ['/usr/bin/systemctl restart shop', '/bin/x --a=b,c']
    expect(fileOf(sudoers({ name: 'deploy', users: ['ann', 'bob'], groups: ['ops'], commands, password: false }))).toEqual({
      path: '/etc/sudoers.d/deploy',
      mode: '440',
      text: 'ann, bob, %ops ALL=(root) NOPASSWD: /usr/bin/systemctl restart shop, /bin/x --a\\=b\\,c\n',
    })
    expect(fileOf(sudoers({ name: 'deploy', users: ['ann'], as: 'shop', commands: 'ALL' })).text).toBe('ann ALL=(shop) ALL\n')
    expect(fileOf(sudoers({ name: 'deploy', users: ['ann'], as: 'ALL', commands: 'ALL' })).text).toBe('ann ALL=(ALL:ALL) ALL\n')
  })

  it.each<[object, string]>([
    [{ users: ['ann'], commands: ['systemctl'] }, 'commands'],
    [{ users: ['ann'], commands: ['/bin/cat /var/log/*'] }, 'commands'],
    [{ users: ['ann'], commands: ['/bin/cat ^/var/log/.+$'] }, 'commands'],
    [{ users: ['ann'], commands: ['/bin/sh, !/bin/su'] }, 'commands'],
    [{ users: ['ann'], commands: ['/bin/a\nroot ALL=(ALL) ALL'] }, 'commands'],
    [{ users: ['ann, ALL'], commands: 'ALL' }, 'users.0'],
    [{ commands: 'ALL' }, 'users'],
    [{ users: ['ann'] }, 'commands'],
    [{ name: 'a.b', users: ['ann'], commands: 'ALL' }, 'name'],
  ])('refuses %j', (options, path) => {
    expect(
      refused(sudoers, { name: 'deploy', ...options })[0]
        ?.split(/[.:] /)[0]
        ?.replace(/:.*/, ''),
    ).toMatch(new RegExp(`^${path}`))
  })

  it('stays when no role declares it, because an account could lose its rights', () => {
    expect(sudoers.kind.orphan).toEqual({ delete: 'file' })
    expect(
      sudoers.kind.plan(sudoers({ name: 'deploy', state: 'absent' }).spec, { file: 'absent', reader: undefined }, context),
    ).toBeUndefined()
  })
})

describe('limits of sessions', () => {
  it('are lines of limits.conf', () => {
    const entries = [
      { domain: '@staff', type: 'soft' as const, item: 'nofile' as const, value: 65_536 },
      { domain: '*', item: 'core' as const, value: 'unlimited' as const },
    ]
    expect(fileOf(limits({ name: 'shop', limits: entries }))).toEqual({
      path: '/etc/security/limits.d/shop.conf',
      mode: '644',
      text: '@staff soft nofile 65536\n* - core unlimited\n',
    })
  })

  it.each([{ domain: 'a b' }, { domain: '@staff\n*' }, { item: 'files' }, { value: '1' }, { type: 'both' }])('refuse %j', (entry) => {
    expect(refused(limits, { name: 'shop', limits: [{ domain: 'shop', item: 'nofile', value: 1, ...entry }] })).toHaveLength(1)
  })
})

describe('a rule of logrotate', () => {
  const options = { name: 'shop', paths: ['/var/log/shop/*.log', '/var/log/shop.log'] }

  it('is one block', () => {
    const more = {
      frequency: 'daily',
      keep: 14,
      maxSize: '100M',
      create: { owner: 'shop', group: 'adm' },
      su: { user: 'shop', group: 'adm' },
    } as const
    expect(fileOf(logrotate({ ...options, ...more, after: 'systemctl reload shop\necho done' })).text).toBe(`/var/log/shop/*.log
/var/log/shop.log {
    daily
    rotate 14
    missingok
    notifempty
    maxsize 100M
    compress
    delaycompress
    create 0640 shop adm
    su shop adm
    sharedscripts
    postrotate
        systemctl reload shop
        echo done
    endscript
}
`)
    expect(fileOf(logrotate({ ...options, compress: false, copyTruncate: true, minSize: '1k' })).text).toContain(
      '    minsize 1k\n    nocompress\n    copytruncate\n}',
    )
    expect(logrotate.kind.accounts?.(logrotate({ ...options, ...more }).spec)).toEqual({ users: ['shop', 'shop'], groups: ['adm', 'adm'] })
  })

  it.each<[object, string]>([
    [{ paths: ['/var/log/a b'] }, 'paths.0'],
    [{ paths: ['/x {\n}'] }, 'paths.0'],
    [{ paths: ['x.log'] }, 'paths.0'],
    [{ paths: undefined }, 'paths'],
    [{ name: 'shop.conf' }, 'name'],
    [{ after: 'x\nendscript\nprerotate' }, 'after'],
    [{ maxSize: '100' + 'MB' }, 'maxSize'],
    [{ copyTruncate: true, create: { owner: 'a', group: 'a' } }, 'create'],
  ])('refuses %j', (more, path) => {
    expect(refused(logrotate, { ...options, ...more })[0]?.split(': ')[0]).toBe(path)
  })

  it('is written only if logrotate accepts it', () => {
    const host = here('/etc/logrotate.d')
    const [work] = [
      {
        id: 'shop',
        spec: logrotate(options).spec,
        state: { file: 'absent', reader: new Map() },
        change: { action: 'create', certainty: 'exact', reason: '', differences: [] },
      },
    ] as const
    host.program(
      'logrotate',
      `for last do :; done; cp "$last" ${host.at('/checked')}; echo "error: $last:1 unknown user" ; echo more; exit 1`,
    )
    expect(host.apply([work as never], logrotate.kind)).toMatchObject({
      what: 'logrotate rejected a rule',
      why: 'error: /etc/logrotate.d/shop:1 unknown user',
    })
    expect(host.sh('cat checked')).toBe(fileOf(logrotate(options)).text)
    expect(host.sh('ls etc 2>&1')).not.toContain('logrotate.d/shop')
    host.remove()
  })
})
