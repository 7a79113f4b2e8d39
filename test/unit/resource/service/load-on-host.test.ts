import { describe, expect, it } from 'vitest'
import { file } from '../../../../src/resource/file/file.ts'
import { saveScript } from '../../../../src/resource/file/undo.ts'
import { newWorker } from '../../../../src/resource/service/load.ts'
import { sh } from '../../../../src/shell/sh.ts'
import { isRoot } from '../account/throwaway.ts'
import { BINARY, CONF, serviceHost } from './service-host.ts'

const WEB = { loads: [CONF], restarts: [BINARY] }
const CURRENT = ['present /etc/web/web.conf', 'present /etc/web/binary']

describe('a service that runs', () => {
  it('loads its files once: the stamp has their digests and the time of the load', () => {
    const host = serviceHost()
    expect(host.change({ ...WEB, loads: [CONF, file({ path: '/etc/web/gone', content: '' })] })).toBeUndefined()
    expect(host.calls()).toEqual(['reload -- web.service'])
    expect(host.stamp()).toEqual(['8', 'absent /etc/web/gone', ...CURRENT])
    expect(host.change({ ...WEB, loads: [CONF, file({ path: '/etc/web/gone', content: '' })] })).toBeUndefined()
    expect(host.calls()).toEqual([])
    host.unit({ StateChangeTimestampMonotonic: '9' })
    expect(host.change({ ...WEB, loads: [CONF] })).toBeUndefined()
    expect([host.calls(), host.stamp()]).toEqual([['reload -- web.service'], ['10', ...CURRENT]])
    expect(host.sh('ls T run/provision/loaded')).toBe('T:\ni\n\nrun/provision/loaded:\nweb.service\n')
  })

  it('is left alone if it loads no files', () => {
    const host = serviceHost()
    expect(host.change({ took: sh`exit 1` })).toBeUndefined()
    expect([host.calls(), host.stamp()]).toEqual([[], []])
    host.unit({ ActiveState: 'reloading' })
    expect(host.change()).toBeUndefined()
    expect(host.calls()).toEqual([])
  })

  it('restarts for a file that only a restart loads, or if it cannot reload', () => {
    const host = serviceHost()
    host.change(WEB)
    host.sh('echo newer >/etc/web/web.conf')
    host.change(WEB)
    expect(host.calls()).toEqual(['reload -- web.service', 'reload -- web.service'])
    host.sh('echo newer >/etc/web/binary')
    host.change(WEB)
    expect([host.calls(), host.stamp()]).toEqual([['restart -- web.service'], ['10', ...CURRENT]])
    host.unit({ CanReload: 'no' })
    host.sh('echo newest >/etc/web/web.conf')
    host.change(WEB)
    expect(host.calls()).toEqual(['restart -- web.service'])
    host.unit({ CanReload: 'yes' })
    host.sh('echo last >/etc/web/web.conf')
    host.change({ ...WEB, reload: 'restart' })
    expect(host.calls()).toEqual(['restart -- web.service'])
  })

  it('without a valid stamp restarts if such a file is newer than its start', () => {
    const host = serviceHost()
    host.unit({ StateChangeTimestamp: '2020-01-01 00:00:00.000000 UTC' })
    expect(host.change(WEB)).toBeUndefined()
    expect(host.calls()).toEqual(['restart -- web.service'])
    host.unit({ StateChangeTimestampMonotonic: '20' })
    host.change(WEB)
    expect(host.calls()).toEqual(['restart -- web.service'])
    host.unit({ StateChangeTimestampMonotonic: '30' })
    host.change({ loads: [CONF] })
    expect(host.calls()).toEqual(['reload -- web.service'])
    host.unit({ StateChangeTimestampMonotonic: '40', StateChangeTimestamp: '2100-01-01 00:00:00.000000 UTC' })
    host.change(WEB)
    expect(host.calls()).toEqual(['reload -- web.service'])
  })

  it('is waited for while it reloads, for ten seconds at most', () => {
    const host = serviceHost()
    host.sh("echo 'echo reloading >unit/ActiveState' >on/reload; echo '[ $n -lt 3 ] || echo active >unit/ActiveState' >on/sleep")
    expect(host.change(WEB)).toBeUndefined()
    expect([host.sh('cat slept'), host.stamp()]).toEqual(['0.1\n0.1\n0.1\n', ['8', ...CURRENT]])
    host.sh('rm on/sleep; : >slept; echo newer >/etc/web/web.conf')
    expect(host.change(WEB)?.what).toBe('web.service rejected its new configuration')
    expect(host.sh('wc -l <slept').trim()).toBe('100')
  })

  it.each<[string, Record<string, string>, string]>([
    ['systemctl fails', {}, ': >fails/reload'],
    ['systemd reports its failure', {}, "echo 'echo exit-code >unit/ReloadResult' >on/reload"],
    ['it ends', {}, "echo 'echo failed >unit/ActiveState' >on/reload"],
  ])('has rejected its files if %s', (_, properties, damage) => {
    const host = serviceHost()
    host.unit(properties)
    host.sh(`${damage}; echo 'invalid option in line 3' >journal`)
    const refused = host.change(WEB)
    expect(refused).toMatchObject({ what: 'web.service rejected its new configuration', why: 'invalid option in line 3' })
    expect(host.stamp()).toEqual([])
    expect(host.sh('cat journal-asked')).toMatch(/^--sync\n-u web\.service --no-pager -q -o cat --since @\d+\n$/)
  })

  it('that ends during the check of its files did not take them', () => {
    const host = serviceHost()
    const gone = sh`echo inactive >${host.at('unit/ActiveState')}`
    expect(host.change({ ...WEB, took: gone })).toMatchObject({ fix: 'correct its files; it is stopped now' })
    expect(host.stamp()).toEqual([])
  })

  it('keeps running with its old files if the check of the role fails', () => {
    const host = serviceHost()
    const took = sh`echo "pid $pid refused" >&2; exit 1`
    host.sh('seq 20 >journal')
    const refused = host.change({ ...WEB, took })
    expect(refused).toMatchObject({ fix: 'correct its files; it still runs with the previous configuration', done: [] })
    // The words of the check, and the last lines of the journal.
    expect(refused?.why.split('\n')).toEqual(['pid 100 refused', ...Array.from({ length: 15 }, (_, i) => `${i + 6}`)])
    expect([host.calls(), host.stamp()]).toEqual([['reload -- web.service'], []])
  })

  it('reports the words of systemctl if its journal is empty', () => {
    const host = serviceHost()
    host.sh(': >fails/reload')
    expect(host.change(WEB)?.why).toBe('Job for web.service failed')
  })
})

describe('a service that does not run', () => {
  it('is started with its files, and its earlier failures are forgotten', () => {
    const host = serviceHost()
    host.unit({ ActiveState: 'failed' })
    expect(host.change(WEB)).toBeUndefined()
    expect([host.calls(), host.stamp()]).toEqual([
      ['reset-failed -- web.service', 'start -- web.service'],
      ['8', ...CURRENT],
    ])
  })

  it('and does not start stays stopped, with its own words', () => {
    const host = serviceHost()
    host.unit({ ActiveState: 'inactive' })
    host.sh(': >fails/start; echo cannot bind >journal')
    const refused = host.change(WEB)
    expect(refused).toMatchObject({
      what: 'web.service did not start',
      why: 'cannot bind',
      fix: 'correct its files; it is stopped, as before',
      othersToo: false,
    })
    expect(host.calls()).toEqual(['reset-failed -- web.service', 'start -- web.service', 'stop -- web.service'])
  })

  it.each(['simple', 'exec', 'idle'])('and ends right after its start, with Type=%s, did not start', (type) => {
    const host = serviceHost()
    host.unit({ ActiveState: 'inactive', Type: type })
    host.sh("echo 'echo 1 >unit/NRestarts' >on/sleep")
    expect(host.change(WEB)?.what).toBe('web.service did not start')
    expect(host.sh('cat slept')).toBe('1\n')
    host.sh('rm on/sleep')
    host.unit({ ActiveState: 'inactive' })
    expect(host.change(WEB)).toBeUndefined()
    host.sh("echo 'echo 101 >unit/MainPID' >on/sleep; echo newer >/etc/web/web.conf")
    expect(host.change({ ...WEB, reload: 'restart' })?.what).toBe('web.service did not restart')
    host.sh("echo 'echo 102 >unit/MainPID' >on/sleep; : >slept")
    expect([host.change(WEB), host.sh('cat slept')]).toEqual([undefined, ''])
  })

  it('that is a oneshot service is explained', () => {
    const host = serviceHost()
    host.unit({ ActiveState: 'inactive', Type: 'oneshot' })
    host.sh("echo 'echo inactive >unit/ActiveState' >on/start")
    expect(host.change()?.what).toBe('web.service does not stay active')
    host.unit({ Result: 'exit-code' })
    expect(host.change()?.what).toBe('web.service did not start')
  })
})

describe('a set of files that the service rejects', () => {
  const SET = { ...WEB, set: 'web' }
  /** Replaces the files as the kind `file` does, after a save. */
  const replaced = () => {
    const host = serviceHost()
    host.sh(`cd /; ${saveScript('web', ['/etc/web/web.conf', '/etc/web/extra'])}; echo new >/etc/web/web.conf; echo new >/etc/web/extra`)
    return host
  }
  const undo = 'ls state/undo; ls /etc/web; cat /etc/web/web.conf'

  it('is forgotten once they are loaded, or need no load', () => {
    const host = replaced()
    expect(host.change(SET)).toBeUndefined()
    expect(host.sh(undo)).toBe('binary\nextra\nweb.conf\nnew\n')
    host.sh('mkdir -p state/undo/web')
    expect(host.change(SET)).toBeUndefined()
    expect(host.sh('ls state/undo')).toBe('')
  })

  it('is restored, and loaded again as it was', () => {
    const host = replaced()
    host.sh(
      "echo 'grep -q old etc/web/web.conf || echo failed >unit/ReloadResult; grep -q new etc/web/web.conf || echo success >unit/ReloadResult' >on/reload",
    )
    expect(host.change(SET)).toMatchObject({ fix: 'correct the content of its files in the role; the previous configuration is restored' })
    expect(host.calls()).toEqual(['reload -- web.service', 'reload -- web.service'])
    expect(host.sh(undo)).toBe('binary\nweb.conf\nold\n')
    expect(host.stamp()).toEqual(['9', ...CURRENT])
  })

  it('is restored, and the service started if it ended meanwhile; a changed unit is read first', () => {
    const host = replaced()
    host.unit({ NeedDaemonReload: 'no' })
    host.sh("echo 'echo yes >unit/NeedDaemonReload; echo failed >unit/ActiveState' >on/reload")
    expect(host.change(SET)?.fix).toContain('the previous configuration is restored')
    expect(host.calls()).toEqual(['reload -- web.service', 'daemon-reload', 'reset-failed -- web.service', 'start -- web.service'])
  })

  it('is restored, and the service reported as stopped if it does not start with that either', () => {
    const host = replaced()
    host.sh(
      "mkdir -p run/provision/loaded; echo x >run/provision/loaded/web.service; echo 'echo failed >unit/ActiveState' >on/reload; : >fails/start",
    )
    expect(host.change(SET)).toMatchObject({ fix: 'correct its files; it is stopped now' })
    expect([host.sh(undo), host.stamp()]).toEqual(['binary\nweb.conf\nold\n', []])
  })

  it('is restored while the service stays stopped', () => {
    const host = replaced()
    host.unit({ ActiveState: 'inactive' })
    host.sh(': >fails/start')
    expect(host.change(SET)?.fix).toContain('the previous configuration is restored')
    expect(host.calls()).toEqual(['reset-failed -- web.service', 'start -- web.service', 'stop -- web.service'])
    expect(host.sh(undo)).toBe('binary\nweb.conf\nold\n')
  })
})

it.skipIf(!isRoot)('reads files of other accounts without following their links', () => {
  const host = serviceHost()
  host.sh('cd etc/web; echo secret >../secret; rm binary; ln -s ../secret binary; chown -h 65534:65534 . binary web.conf')
  expect(host.change(WEB)).toBeUndefined()
  expect(host.stamp()).toEqual(['8', 'present /etc/web/web.conf'])
})

describe('a new worker', { timeout: 30_000 }, () => {
  const worker = (children: string) => `mkdir -p /proc/100/task/100; echo '${children}' >/proc/100/task/100/children`

  it('is a child that the main process did not have before the reload', () => {
    const host = serviceHost()
    host.sh(
      `${worker('1 2')}; mkdir proc/1; echo "[ \\$n -lt 4 ] || echo '1 2 30' >proc/100/task/100/children; [ \\$n -lt 7 ] || rm -rf proc/1" >on/sleep`,
    )
    expect(host.change({ ...WEB, took: newWorker })).toBeUndefined()
    expect(host.sh('wc -l <slept').trim()).toBe('7')
    expect(host.sh('sort -u slept')).toBe('0.1\n')
  })

  it('that does not appear within 15 seconds means that the configuration was rejected', () => {
    const host = serviceHost()
    host.sh(worker('1 2'))
    expect(host.change({ ...WEB, took: newWorker })?.why).toContain(
      'web.service started no new worker: its main process rejected the new configuration',
    )
    expect(host.sh('wc -l <slept').trim()).toBe('150')
  })

  it('does not wait for its predecessors for longer than a second', () => {
    const host = serviceHost()
    host.sh(`${worker('1 2')}; mkdir proc/1; echo "echo '30' >proc/100/task/100/children" >on/reload`)
    expect(host.change({ ...WEB, took: newWorker })).toBeUndefined()
    expect(host.sh('wc -l <slept').trim()).toBe('10')
  })
})
