import { chmodSync, existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { file } from '../../../../src/resource/file/file.ts'
import type { PlanContext } from '../../../../src/resource/kind/kind.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { type Here, here } from '../run-here.ts'

let host: Here
beforeEach(() => {
  host = here('/var/backups/provision')
})
afterEach(() => host.remove())

const context: PlanContext = { now: new Date(0), packagesPending: false, changes: () => false, members: () => new Map() }
const at = (name: string): string => host.at(name)
const read = (name: string): string => readFileSync(at(name), 'utf8')
const converge = (...files: readonly ReturnType<typeof file>[]) => host.apply(host.plan(...files), file.kind)
const backups = (path: string): readonly string[] => {
  const directory = at(`var/backups/provision${path}`)
  return existsSync(directory)
    ? readdirSync(directory)
        .toSorted()
        .map((name) => readFileSync(`${directory}/${name}`, 'utf8'))
    : []
}

describe('a file with overwrite: false', () => {
  const once = () => file({ path: at('conf'), content: 'new', overwrite: false, mode: '600' })

  it('is created, and stays as it is from then on', () => {
    expect(converge(once())).toBeUndefined()
    expect([read('conf'), statSync(at('conf')).mode & 0o777]).toEqual(['new', 0o600])
    writeFileSync(at('conf'), 'mine')
    chmodSync(at('conf'), 0o644)
    expect(host.plan(once())).toEqual([])
  })

  it('stays also if it is a link, or if a step of the run has created it since', () => {
    symlinkSync('elsewhere', at('conf'))
    expect(host.plan(once())).toEqual([])
    host.sh('rm conf')
    const work = host.plan(once())
    expect(host.apply(work, file.kind, `echo package >${at('conf')}`)).toBeUndefined()
    expect(read('conf')).toBe('package\n')
  })

  it('is recorded with the content of the host, so that a service notices its changes', () => {
    expect(file.kind.files?.(once().spec)).toEqual([{ path: at('conf'), sha256: 'disk' }])
    expect(file.kind.effects?.(once().spec)).toEqual([{ path: at('conf'), becomes: { type: 'f' } }])
  })
})

describe('a file that keeps mode or owner', () => {
  it('has those of the file that is there, and the declared ones if it is new', () => {
    const kept = () => file({ path: at('conf'), content: 'new', keepMode: true, keepOwner: true, mode: '600' })
    expect(converge(kept())).toBeUndefined()
    expect(statSync(at('conf')).mode & 0o777).toBe(0o600)
    writeFileSync(at('conf'), 'old')
    chmodSync(at('conf'), 0o751)
    host.sh('chown 1:2 conf')
    expect(host.plan(kept()).map(({ change }) => change.reason)).toEqual(['content differs'])
    expect(converge(kept())).toBeUndefined()
    const { mode, uid, gid } = statSync(at('conf'))
    expect([read('conf'), mode & 0o777, uid, gid]).toEqual(['new', 0o751, 1, 2])
    expect(host.plan(kept())).toEqual([])
    expect(host.plan(file({ path: at('conf'), content: 'new', keepOwner: true })).map(({ change }) => change.reason)).toEqual([
      'mode differs',
    ])
  })

  it('refuses a secret where every account could go on reading it', () => {
    const { kind, spec } = file({ path: '/etc/x', content: new Secret('a'), mode: '600', keepMode: true })
    const state = { type: 'f', mode: '644', owner: 'root', group: 'root', target: '' }
    expect(kind.forbids?.(spec, state, context)).toMatchObject({
      what: '/etc/x would show a secret',
      why: 'every account can read it (mode 644), and it keeps its mode',
    })
    expect(kind.forbids?.(spec, { ...state, mode: '640' }, context)).toBeUndefined()
    expect(
      kind.diff?.({ id: '/etc/x', spec, state, change: { action: 'update', certainty: 'exact', reason: '', differences: [] } }, undefined),
    ).toBeUndefined()
  })

  it('does not show what only its mode keeps from others', () => {
    const { kind, spec } = file({ path: '/etc/x', content: 'a', keepMode: true })
    const state = { type: 'f', mode: '640', owner: 'root', group: 'root', target: '' }
    const change = kind.plan(spec, state, context)
    expect(change?.differences).toEqual([{ key: 'content', to: 'not shown, because other accounts cannot read it (mode 640)' }])
    expect(change && kind.diff?.({ id: '/etc/x', spec, state, change }, Buffer.from('secret'))).toBeUndefined()
  })

  it('keeps both with overwrite: false already', () => {
    const { error } = file.kind.schema.safeParse({ path: '/etc/x', overwrite: false, keepMode: true })
    expect(error?.issues.map(({ message }) => message)).toEqual(['must not be given with keepMode or keepOwner: it keeps both'])
  })
})

describe('backups', () => {
  const version = (content: string) => file({ path: at('conf'), content, backups: 2 })

  it('are the replaced versions, as many as declared, also of a deleted file', () => {
    for (const content of ['1', '2', '3', '4']) expect(converge(version(content))).toBeUndefined()
    expect(backups(at('conf'))).toEqual(['2', '3'])
    expect(converge(file({ path: at('conf'), state: 'absent', backups: 2 }))).toBeUndefined()
    expect([existsSync(at('conf')), backups(at('conf'))]).toEqual([false, ['3', '4']])
    expect(statSync(at('var/backups/provision')).mode & 0o777).toBe(0o700)
  })

  it('are not repeated if the newest is the same, as after a run that was cut before the write', () => {
    converge(version('1'))
    converge(version('2'))
    writeFileSync(at('conf'), '1')
    expect(converge(version('2'))).toBeUndefined()
    expect(backups(at('conf'))).toEqual(['1'])
  })

  it('are made only where root alone can replace the file', () => {
    converge(version('1'))
    host.sh(`chmod 777 .`)
    expect(converge(version('2'))?.why).toContain('can be replaced by another account')
    expect(read('conf')).toBe('1')
  })
})

it('a checker sees the candidate under the name of the file, and nothing is written if it refuses', () => {
  const checked = (content: string) =>
    file({ path: at('a.conf'), content, check: ['sh', '-c', 'case $0 in */a.conf) grep -q ok "$0" || { echo no; exit 1; } ;; esac', '%s'] })
  expect(converge(checked('ok\n'))).toBeUndefined()
  expect(converge(checked('bad\n'))).toMatchObject({
    what: `sh rejected the new content of ${at('a.conf')}`,
    why: 'no',
    culprit: at('a.conf'),
  })
  expect([read('a.conf'), readdirSync(at('T')).filter((name) => /^\w{8}(\.output)?$/.test(name))]).toEqual(['ok\n', []])
})
