import { mkdirSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ServiceState } from '../../../../src/resource/service/observe.ts'
import { service } from '../../../../src/resource/service/service.ts'
import { type Here, here } from '../run-here.ts'

let host: Here
beforeEach(() => {
  host = here('/usr/sbin', '/run/provision/loaded')
  mkdirSync(host.at('usr/sbin'), { recursive: true })
  sshd('echo "line 3: Bad option" >&2; exit 255')
  systemctl('active')
})
afterEach(() => host.remove())

const sshd = (script: string): void =>
  writeFileSync(host.at('usr/sbin/sshd'), `#!/bin/sh\n[ "$1" = -t ] || exit 64\n${script}\n`, { mode: 0o755 })
/** A unit that is loaded and enabled. */
const systemctl = (active: string): void =>
  host.program(
    'systemctl',
    `case $1 in
is-active) [ ${active} = active ] ;;
show) printf 'LoadState=loaded\\nActiveState=${active}\\nUnitFileState=enabled\\nMainPID=1\\nType=notify\\n' ;;
*) echo "$*" >>${host.at('calls')} ;;
esac`,
  )

const state: ServiceState = {
  ...{ load: 'loaded', active: 'active', enabled: 'enabled', sub: '', result: '', needsDaemonReload: false, reloadFailed: false },
  ...{ stamp: undefined, touched: false, onDisk: new Map(), unfinishedSet: false },
}
const change = (options: Parameters<typeof service>[0]) => {
  const { id, spec } = service(options)
  const work = { id, spec, state, change: { action: 'update', certainty: 'exact', reason: '', differences: [] } } as const
  return host.apply([work], service.kind)
}

describe('a daemon of sshd that runs', () => {
  it.each(['ssh.service', 'sshd.service'])('%s keeps running if sshd refuses its settings', (unit) => {
    expect(change({ unit })).toMatchObject({
      what: `${unit} did not restart`,
      why: 'line 3: Bad option',
      fix: 'correct its files; it still runs with the previous configuration',
    })
    expect(host.sh('cat calls')).toBe('')
  })

  it('is changed if sshd accepts them', () => {
    sshd('exit 0')
    expect(change({ unit: 'ssh.service' })).toBeUndefined()
  })

  it('is not asked for another service', () => {
    expect(change({ unit: 'web.service' })).toBeUndefined()
    expect(change({ unit: 'ssh.socket' })).toBeUndefined()
  })
})

it('a daemon of sshd that does not run, or has to stop, is changed with any settings', () => {
  expect(change({ unit: 'ssh.service', running: false })).toBeUndefined()
  systemctl('inactive')
  expect(change({ unit: 'ssh.service' })?.why ?? '').not.toContain('Bad option')
})
