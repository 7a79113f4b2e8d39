import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { queryHost } from '../../src/engine/observe/host-query.ts'
import { user } from '../../src/resource/account/user.ts'
import { userPassword } from '../../src/resource/account/user-password.ts'
import { debconf } from '../../src/resource/apt/debconf.ts'
import { file } from '../../src/resource/file/file.ts'
import { link } from '../../src/resource/file/link.ts'
import { permissions } from '../../src/resource/file/permissions.ts'
import type { Resource } from '../../src/resource/kind/kind.ts'
import { pkg } from '../../src/resource/package/package.ts'
import { newWorker } from '../../src/resource/service/load.ts'
import { service } from '../../src/resource/service/service.ts'
import { dropin, unit } from '../../src/resource/service/unit.ts'
import { alternatives } from '../../src/resource/system/alternatives.ts'
import { cron } from '../../src/resource/system/cron.ts'
import { hostname } from '../../src/resource/system/hostname.ts'
import { kernelModule } from '../../src/resource/system/kernel-module.ts'
import { limits } from '../../src/resource/system/limits.ts'
import { locale } from '../../src/resource/system/locale.ts'
import { logrotate } from '../../src/resource/system/logrotate.ts'
import { mount } from '../../src/resource/system/mount.ts'
import { sudoers } from '../../src/resource/system/sudoers.ts'
import { timer } from '../../src/resource/system/timer.ts'
import { timezone } from '../../src/resource/system/timezone.ts'
import { type TestHost, testHost } from './support/test-host.ts'

let host: TestHost
beforeAll(async () => {
  host = await testHost('t-services', '10.79.6')
  await host.apply([pkg({ name: 'nginx' }), pkg({ name: 'haproxy' })])
})
afterAll(() => host?.down())

const set = { name: 'nginx', root: '/etc/nginx', check: ['nginx', '-t', '-q'] }
const conf = (port: number, answer: string) => `events {}\nhttp { server { listen 127.0.0.1:${port}; return 200 "${answer}"; } }\n`

/** nginx with one file. `took` detects a reload that its main process rejects silently. */
const nginx = (content: string): readonly Resource[] => {
  const main = file({ path: '/etc/nginx/nginx.conf', content, set })
  return [main, service({ unit: 'nginx.service', loads: [main], set: 'nginx', took: newWorker })]
}
const ask = (port: number) =>
  host.run(
    `exec 3<>/dev/null; perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new("127.0.0.1:${port}") or die; print $s "GET / HTTP/1.0\\r\\n\\r\\n"; local $/; $_ = <$s>; s/.*\\r\\n\\r\\n//s; print'`,
  )
/** Occupies a port. */
const occupy = (port: number) =>
  host.run(
    `perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1:${port}", Listen => 1) or die; sleep 60' >/dev/null 2>&1 </dev/null & sleep 0.5`,
  )
const undo = () => host.run('ls /var/lib/provision/undo')

describe('a service and the files that it loads', () => {
  it('starts with the declared configuration, is enabled afterwards, and a second run finds nothing to do', async () => {
    const site = nginx(conf(8001, 'one'))
    expect(await host.apply(site)).toEqual(['update file:/etc/nginx/nginx.conf', 'update service:nginx.service'])
    expect(await ask(8001)).toBe('one')
    expect(await host.run('systemctl is-enabled nginx')).toBe('enabled\n')
    expect(await host.plan(site)).toEqual([])
    expect(await undo()).toBe('')
  })

  it('reloads, and does not restart, when a file changes', async () => {
    const before = await host.run('systemctl show -P MainPID nginx')
    const site = nginx(conf(8001, 'two'))
    expect(await host.plan(site)).toEqual([
      'update file:/etc/nginx/nginx.conf: content differs',
      'update service:nginx.service: runs with an older /etc/nginx/nginx.conf',
    ])
    await host.apply(site)
    expect(await ask(8001)).toBe('two')
    expect(await host.run('systemctl show -P MainPID nginx')).toBe(before)
    expect(await host.plan(site)).toEqual([])
  })

  it('has a pending reload after an interrupted run', async () => {
    const [main, nginxService] = nginx(conf(8001, 'three'))
    await host.apply([main as Resource])
    const due = ['update service:nginx.service: runs with an older /etc/nginx/nginx.conf']
    expect(await host.plan(nginx(conf(8001, 'three')))).toEqual(due)
    await host.apply([nginxService as Resource])
    expect(await ask(8001)).toBe('three')
    expect(await undo()).toBe('')
  })

  it('has no pending reload after a manual restart, and drops the undo copy of the interrupted run', async () => {
    const site = nginx(conf(8001, 'four'))
    await host.apply([site[0] as Resource])
    await host.run('sleep 0.1; systemctl restart nginx')
    expect(await host.plan(site)).toEqual(['update service:nginx.service: earlier change of its files interrupted'])
    await host.apply(site)
    expect(await host.plan(site)).toEqual([])
    expect(await undo()).toBe('')
  })

  it('has no pending reload after a reboot, which deletes the stamps', async () => {
    await host.run('rm -r /run/provision/loaded; touch -d "1 day ago" /etc/nginx/nginx.conf; sleep 0.1; systemctl restart nginx')
    expect(await host.plan(nginx(conf(8001, 'four')))).toEqual([])
    await host.run('touch /etc/nginx/nginx.conf')
    expect(await host.plan(nginx(conf(8001, 'four')))).toEqual(['update service:nginx.service: files changed after it loaded them'])
    await host.apply(nginx(conf(8001, 'four')))
    expect(await host.plan(nginx(conf(8001, 'four')))).toEqual([])
  })

  // The previous content was never loaded, so there is no version to restore.
  it('needs no reload after the repair of a manual edit that it never loaded', async () => {
    const site = nginx(conf(8001, 'four'))
    await host.run('echo "# by hand" >>/etc/nginx/nginx.conf')
    expect(await host.apply(site)).toEqual(['update file:/etc/nginx/nginx.conf'])
    expect(await host.plan(site)).toEqual([])
    expect(await undo()).toBe('')
  })

  it('restarts for a link, a package and permissions, also after an interrupted run', async () => {
    const depending = (target: string, mode: string): readonly Resource[] => {
      const resources = [link({ path: '/srv/current', target }), pkg({ name: 'nginx' }), permissions({ path: '/srv/key', mode })]
      return [...resources, service({ unit: 'nginx.service', restarts: resources })]
    }
    // systemd limits the number of starts in ten seconds.
    const main = () => host.run('systemctl reset-failed nginx; systemctl show -P MainPID nginx')
    await host.run(': >/srv/key; chmod 600 /srv/key')
    await host.apply(depending('/srv/one', '600'))
    expect(await host.plan(depending('/srv/one', '600'))).toEqual([])
    for (const [target, mode] of [
      ['/srv/two', '600'],
      ['/srv/two', '640'],
    ] as const) {
      const [changedLink, , changedMode, nginxService] = depending(target, mode)
      const before = await main()
      await host.apply([changedLink, changedMode] as readonly Resource[])
      const what = mode === '640' ? 'permissions /srv/key' : 'link /srv/current'
      expect(await host.plan(depending(target, mode))).toEqual([`update service:nginx.service: runs with an older ${what}`])
      await host.apply([nginxService as Resource])
      expect(await main()).not.toBe(before)
      expect(await host.plan(depending(target, mode))).toEqual([])
    }
    const before = await main()
    await host.run("sed -i '/package:nginx/s/installed .*/installed 0.1/' /run/provision/loaded/nginx.service")
    expect(await host.apply(depending('/srv/two', '640'))).toEqual(['update service:nginx.service'])
    expect(await main()).not.toBe(before)
    await host.run('rm /srv/current /srv/key; systemctl reset-failed nginx')
    await host.apply(nginx(conf(8001, 'four')))
  })

  it.each([
    ['stopped', 'systemctl stop nginx', 'not running'],
    ['disabled', 'systemctl disable nginx', 'not enabled'],
    ['masked', 'systemctl mask --now nginx', 'masked, not running, not enabled'],
    ['killed', 'systemctl kill -s KILL nginx; sleep 0.2', 'not running, last start failed (signal)'],
  ])('is repaired if somebody %s it', async (_, damage, reason) => {
    const site = nginx(conf(8001, 'four'))
    await host.run(damage)
    expect(await host.plan(site)).toEqual([`update service:nginx.service: ${reason}`])
    await host.apply(site)
    expect(await host.plan(site)).toEqual([])
    expect(await ask(8001)).toBe('four')
  })
})

describe('a service that refuses its files', () => {
  it('keeps its configuration if its main process refuses silently, and the files are restored', async () => {
    await occupy(8002)
    const refusal = await host.refused(nginx(conf(8002, 'five')))
    expect(refusal.what).toBe('nginx.service rejected its new configuration')
    expect(refusal.why).toContain('nginx.service started no new worker')
    expect(refusal.fix).toContain('the previous configuration is restored')
    expect(await host.run('cat /etc/nginx/nginx.conf')).toBe(conf(8001, 'four'))
    expect(await ask(8001)).toBe('four')
    expect(await host.plan(nginx(conf(8001, 'four')))).toEqual([])
    expect(await undo()).toBe('')
  })

  it('reports its own error if it does not start, and stays stopped', async () => {
    await host.run('systemctl disable -q --now nginx')
    const refusal = await host.refused(nginx(conf(8002, 'six')))
    expect(refusal.what).toBe('nginx.service did not start')
    expect(refusal.why).toContain('bind() to 127.0.0.1:8002 failed')
    expect(await host.run('systemctl show -P ActiveState -P UnitFileState nginx')).toBe('failed\ndisabled\n')
    expect(await host.run('cat /etc/nginx/nginx.conf')).toBe(conf(8001, 'four'))
    await host.apply(nginx(conf(8001, 'four')))
    expect(await ask(8001)).toBe('four')
  })

  it('is reported by name if the unit does not exist', async () => {
    expect(await host.plan([service({ unit: 'nothing.service' })])).toEqual(['create service:nothing.service: not running, not enabled'])
    expect((await host.refused([service({ unit: 'nothing.service' })])).why).toContain('nothing.service')
  })
})

describe('a declared unit file', () => {
  const shop = (seconds: string, limit: string): readonly Resource[] => {
    const own = unit({
      name: 'shop.service',
      content: `[Service]\nExecStart=/bin/sleep ${seconds}\n[Install]\nWantedBy=multi-user.target\n`,
    })
    const limits = dropin({ unit: 'shop.service', name: 'limits', settings: { Service: { LimitNOFILE: limit } } })
    return [own, limits, service({ unit: 'shop.service', restarts: [own, limits] })]
  }

  it('is read by systemd, started, and restarted when it changes', async () => {
    expect(await host.apply(shop('infinity', '512'))).toEqual([
      'create unit:shop.service',
      'create unit:shop.service.d/limits.conf',
      'create service:shop.service',
    ])
    expect(await host.plan(shop('infinity', '512'))).toEqual([])
    expect(await host.plan(shop('infinity', '600'))).toEqual([
      'update unit:shop.service.d/limits.conf: content differs',
      'update service:shop.service: runs with an older /etc/systemd/system/shop.service.d/limits.conf',
    ])
    await host.apply(shop('infinity', '600'))
    expect(await host.run('grep "open files" /proc/$(systemctl show -P MainPID shop)/limits')).toContain('600')
    expect(await host.plan(shop('infinity', '600'))).toEqual([])
  })

  it('is reloaded after a change without daemon-reload', async () => {
    await host.run('touch -d tomorrow /etc/systemd/system/shop.service')
    expect(await host.plan(shop('infinity', '600'))).toEqual([
      'update unit:shop.service: not read by systemd yet',
      'update unit:shop.service.d/limits.conf: not read by systemd yet',
      'update service:shop.service: changed unit file not read by systemd',
    ])
    await host.apply(shop('infinity', '600'))
    expect(await host.plan(shop('infinity', '600'))).toEqual([])
  })

  // systemd reports a simple service as started once it is forked.
  it('that dies right after its start counts as failed, and its previous version is restored', async () => {
    const refusal = await host.refused(shop('nonsense', '600'))
    expect(refusal.what).toBe('shop.service did not restart')
    expect(refusal.why).toContain('invalid time interval')
    expect(refusal.fix).toContain('it is stopped now')
    await host.apply(shop('infinity', '600'))
    expect(await host.plan(shop('infinity', '600'))).toEqual([])
  })

  it('that reached the limit of its starts, or is masked by an empty file, is started by the next run', async () => {
    const content = (command: string, more = '') =>
      `[Unit]\nStartLimitIntervalSec=600\nStartLimitBurst=2\n[Service]\n${more}ExecStart=${command}\n[Install]\nWantedBy=multi-user.target\n`
    const good = content('/bin/sleep infinity')
    await host.run(`cd /etc/systemd/system; mkdir -p /usr/local/lib/systemd/system; printf '%s' '${good}' >/usr/local/lib/systemd/system/empty.service
printf '%s' '${content('/bin/false')}' >limited.service; : >empty.service; systemctl daemon-reload; while systemctl start limited 2>/dev/null; do sleep 0.1; done`)
    const own = unit({ name: 'limited.service', content: good })
    const both = [own, service({ unit: 'limited.service', restarts: [own] }), service({ unit: 'empty.service' })]
    expect(await host.plan(both)).toEqual([
      'update unit:limited.service: content and mode differ',
      'update service:limited.service: not running, last start failed (exit-code), not enabled',
      'update service:empty.service: masked, not running, not enabled',
    ])
    await host.apply(both)
    expect(await host.plan(both)).toEqual([])
    expect(await host.run('systemctl is-active limited empty; systemctl is-enabled limited empty')).toBe(
      'active\nactive\nenabled\nenabled\n',
    )
    // A start that times out is reported as often as it is tried.
    const slow = unit({ name: 'slow.service', content: content('/bin/sleep infinity', 'Type=notify\nTimeoutStartSec=1\n') })
    for (const reason of ['not running, not enabled', 'not running, last start failed (timeout), not enabled']) {
      expect((await host.plan([slow, service({ unit: 'slow.service' })])).at(-1)).toContain(`service:slow.service: ${reason}`)
      const refusal = await host.refused([slow, service({ unit: 'slow.service' })])
      expect([refusal.what, refusal.why]).toEqual(['slow.service did not start', expect.stringContaining('start operation timed out')])
    }
  })

  it('with a socket is stopped, and its socket stays', async () => {
    await host.run(`cd /etc/systemd/system; printf '[Socket]\\nListenStream=/run/sock.test\\n' >sock.socket
printf '[Service]\\nExecStart=/bin/sleep infinity\\n' >sock.service; systemctl daemon-reload; systemctl start sock.socket sock.service`)
    await host.apply([service({ unit: 'sock.service', running: false, enabled: false })])
    expect(await host.run('systemctl is-active sock.service sock.socket || :')).toBe('inactive\nactive\n')
  })

  it('is stopped and disabled if declared so', async () => {
    const stopped = [service({ unit: 'shop.service', running: false, enabled: false })]
    expect(await host.plan(stopped)).toEqual(['update service:shop.service: running instead of stopped, enabled instead of disabled'])
    await host.apply(stopped)
    expect(await host.plan(stopped)).toEqual([])
  })
})

describe('haproxy', () => {
  const haproxy = (port: number): readonly Resource[] => {
    const config = file({
      path: '/etc/haproxy/haproxy.cfg',
      content: `defaults\n mode http\n timeout connect 1s\n timeout client 1s\n timeout server 1s\nfrontend f\n bind 127.0.0.1:${port}\n http-request return status 200\n`,
      set: { name: 'haproxy', root: '/etc/haproxy', check: ['haproxy', '-c', '-q', '-f', '/etc/haproxy/haproxy.cfg'] },
    })
    return [config, service({ unit: 'haproxy.service', loads: [config], set: 'haproxy', took: newWorker })]
  }

  it('loads, reloads, and is restored if its main process refuses silently', async () => {
    await host.apply(haproxy(8003))
    expect(await host.plan(haproxy(8003))).toEqual([])
    await host.apply(haproxy(8004))
    expect(await host.plan(haproxy(8004))).toEqual([])
    await occupy(8005)
    expect((await host.refused(haproxy(8005))).why).toContain('8005')
    expect(await host.plan(haproxy(8004))).toEqual([])
    expect(await host.run('ss -tlnH sport = 8004')).not.toBe('')
  })
})

describe('many packages and services', () => {
  it('are observed with one query to dpkg and one to systemd', async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own format
    const names = (await host.run("dpkg-query -W -f '${Package}\\n' | sed 60q")).trim().split('\n')
    const units = (
      await host.run('systemctl list-unit-files --type=service --plain --no-legend --no-pager | cut -d" " -f1 | grep -v @ | sed 20q')
    )
      .trim()
      .split('\n')
    const specs = units.map((name) =>
      service({ unit: name, loads: [file({ path: `/etc/${name}.conf`, content: '' })], running: false, enabled: false }),
    )
    const resources = [...names.map((name) => pkg({ name })), ...specs]
    const { script } = queryHost(
      'host',
      resources.map((resource) => ({ play: 0, role: 'test', resource })),
    )
    await host.run(`cat >/root/probe <<'PROBE'\n${script}\nPROBE\n`)
    await host.apply([pkg({ name: 'strace' })])
    const started = await host.run(
      'strace -f -qq -e trace=execve -o /root/trace sh /root/probe >/dev/null 2>&1 </dev/null; sed -n \'s/.*execve("\\([^"]*\\)".* = 0$/\\1/p\' /root/trace',
    )
    expect(
      started
        .trim()
        .split('\n')
        .map((path) => path.replace(/.*\//, '')),
    ).toEqual(['sh', 'find', 'grep', 'systemctl', 'dpkg-query'])
  })
})

describe('settings of the system', () => {
  const CACHE = { path: '/srv/cache', source: 'tmpfs', type: 'tmpfs' }
  const all = (state: 'a' | 'b') => [
    pkg({ name: 'cron' }),
    pkg({ name: 'logrotate' }),
    user({ name: 'shop' }),
    pkg({ name: 'locales' }),
    userPassword({ user: 'shop', password: `password ${state}`, maxDays: 90, expires: state === 'a' ? 'never' : '2030-01-31' }),
    debconf({ package: 'postfix', answers: [{ question: 'postfix/mailname', value: `${state}.example.test` }] }),
    mount({ ...CACHE, options: state === 'a' ? ['noexec', 'size=1m'] : ['nosuid', 'size=2m'] }),
    mount({ path: '/srv/bound', source: '/usr/share', type: 'none', options: ['bind', 'ro'] }),
    alternatives({ name: 'awk', ...(state === 'a' ? { automatic: true } : { path: '/usr/bin/mawk' }) }),
    hostname({ name: `shop-${state}.example.test` }),
    kernelModule({ name: 'pcspkr', state: state === 'a' ? 'blocked' : 'absent' }),
    locale({ name: 'de_LU.UTF-8', default: state === 'a' }),
    ...timer({ name: 'report', schedule: state === 'a' ? 'daily' : 'hourly', command: ['/bin/echo', '100% of $HOME'], user: 'shop' }),
    ...timezone({ name: state === 'a' ? 'Europe/Berlin' : 'Etc/UTC' }),
    cron({ name: 'shop', jobs: [{ schedule: '* * * * *', user: 'shop', command: `echo ${state} 100%` }] }),
    sudoers({ name: 'shop', users: ['shop'], commands: [`/usr/bin/id -${state === 'a' ? 'u' : 'g'}`], password: false }),
    limits({ name: 'shop', limits: [{ domain: 'shop', item: 'nofile', value: state === 'a' ? 1024 : 2048 }] }),
    logrotate({ name: 'shop', paths: ['/var/log/shop/*.log'], keep: state === 'a' ? 1 : 2, su: { user: 'shop', group: 'shop' } }),
  ]

  it('are made as planned, and then there is nothing to do', async () => {
    const flags: string[] = []
    for (const state of ['b', 'a'] as const) {
      const planned = (await host.plan(all(state))).map((line) => line.split(': ')[0])
      expect(await host.apply(all(state))).toEqual(planned)
      expect(await host.plan(all(state))).toEqual([])
      flags.push((await host.run('findmnt -no OPTIONS /srv/cache | grep -oE "noexec|nosuid"')).trim())
    }
    expect(flags).toEqual(['nosuid', 'noexec'])
    expect(await host.run('hostname; cat /etc/hostname; getent hosts shop-a.example.test; date +%Z; cat /etc/timezone')).toMatch(
      /^shop-a\nshop-a\n127.0.1.1 +shop-a.example.test shop-a\nCES?T\nEurope\/Berlin\n$/,
    )
    expect(await host.run('findmnt -no OPTIONS /srv/cache; findmnt -no OPTIONS /srv/bound; sudo -u shop sudo -n id -u')).toMatch(
      /noexec.*size=1024k.*\nro.*\n0\n$/,
    )
    const verify = `perl -e '$h = (getpwnam("shop"))[1]; print crypt("password a", $h) eq $h ? "same" : "other"'`
    expect(await host.run(`chage -l shop | sed -n 's/^Account expires.*: //p; s/^Maximum.*: //p'; ${verify}`)).toBe('never\n90\nsame')
    expect(
      await host.run('systemctl start report.service; journalctl -o cat -u report.service | grep HOME; systemctl is-active report.timer'),
    ).toBe('100% of $HOME\nactive\n')
    expect(
      await host.run('LC_ALL=de_LU.UTF-8 locale charmap; grep ^LANG /etc/default/locale; cat /etc/modprobe.d/provision.pcspkr.conf'),
    ).toBe('UTF-8\nLANG=de_LU.UTF-8\nblacklist pcspkr\ninstall pcspkr /bin/false\n')
    expect(await host.run('findmnt --verify 2>&1 | tail -1; echo get postfix/mailname | debconf-communicate')).toMatch(
      /\n0 a.example.test\n$/,
    )
    expect(await host.run('sudo -u shop sh -c "ulimit -n"')).toBe('1024\n')
    expect(await host.run('systemctl is-active cron.service logrotate.timer; systemctl is-enabled cron.service logrotate.timer')).toBe(
      'active\nactive\nenabled\nenabled\n',
    )
  })

  it('of cron are not believed without a daemon, also where its start script is left', async () => {
    const job = cron({ name: 'shop', jobs: [{ schedule: '* * * * *', user: 'shop', command: 'touch /run/lock/shop-ran' }] })
    await host.apply([job])
    await host.run('systemctl stop cron')
    expect(await host.plan([job])).toEqual(['update cron:shop: cron.service not running'])
    await host.run(
      'DEBIAN_FRONTEND=noninteractive apt-get remove -y cron >/dev/null 2>&1; rm -f /run/lock/shop-ran; test -e /etc/init.d/cron',
    )
    expect(await host.plan([job])).toEqual(['update cron:shop: no cron daemon on the host'])
    expect(await host.apply([pkg({ name: 'cron' }), job])).toEqual(['create package:cron', 'update cron:shop'])
    expect(await host.plan([job])).toEqual([])
    await host.run('i=0; until [ -e /run/lock/shop-ran ] || [ $i = 70 ]; do sleep 1; i=$((i+1)); done; test -e /run/lock/shop-ran')
  })

  it('are refused where the host would not accept them', async () => {
    const busy = [mount({ path: '/srv/cache', state: 'absent' })]
    await host.run('sleep 300 </dev/null >/srv/cache/x 2>&1 & echo $! >/run/busy')
    expect(await host.refused(busy)).toMatchObject({
      why: expect.stringContaining('target is busy'),
      fix: expect.stringContaining('stop the programs that use it'),
    })
    await host.run('kill $(cat /run/busy); rm /run/busy')
    expect(await host.apply(busy)).toEqual(['delete mount:/srv/cache'])
    const unknown = logrotate({ name: 'other', paths: ['/var/log/x.log'], su: { user: 'nobody-here', group: 'adm' } })
    expect((await host.refused([unknown])).why).toContain('nobody-here')
    expect((await host.refused([file({ path: '/etc/sudoers.d/x', content: 'shop ALL=(root NOPASSWD\n', mode: '440' })])).what).toContain(
      'visudo',
    )
  })

  it('are deleted again', async () => {
    const gone = [
      ...(['cron', 'sudoers', 'limits', 'logrotate'] as const).map((name) =>
        ({ cron, sudoers, limits, logrotate })[name]({ name: 'shop', state: 'absent' }),
      ),
      mount({ path: '/srv/bound', state: 'absent' }),
    ]
    expect(await host.apply(gone)).toHaveLength(5)
    expect(await host.plan(gone)).toEqual([])
    expect(
      await host.run('ls /etc/cron.d/shop /etc/sudoers.d/shop /etc/logrotate.d/shop 2>/dev/null | wc -l; grep -c srv /etc/fstab || :'),
    ).toBe('0\n0\n')
  })
})
