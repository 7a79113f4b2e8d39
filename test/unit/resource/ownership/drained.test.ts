import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { drained, drainScript, undrainInterruptedScript, undrainScript } from '../../../../src/resource/ownership/drained.ts'
import { sh } from '../../../../src/shell/sh.ts'
import { NOTHING } from '../answers.ts'
import { context } from '../recorded.ts'
import { type Here, here } from '../run-here.ts'

let host: Here
beforeEach(() => {
  host = here()
})
afterEach(() => host.remove())
const log = (word: string): string => `echo ${word} >>${host.at('log')}`
const logged = (): string => host.sh('cat log 2>/dev/null').trim().split('\n').join(' ')
const marks = (): string => host.sh('ls state/drained 2>/dev/null').trim().split('\n').join(' ')

describe('a drain', () => {
  it('saves first how it is undone, for root only', () => {
    const out = sh`ls ${host.at('state/drained')} >${host.at('seen')}; exit 7`
    expect(host.run(String(drainScript('web-01', 'lb', out)), Buffer.from(log('back'))).code).toBe(7)
    expect(host.sh('cat seen; stat -c %a state/drained state/drained/*')).toBe('web-01@lb\n700\n600\n')
    expect(host.sh('cat state/drained/web-01@lb')).toBe(log('back'))
  })

  it('does not happen if that cannot be saved', () => {
    host.sh('mkdir -p state; : >state/drained')
    const answer = host.run(String(drainScript('web-01', 'lb', sh`: >${host.at('out')}`)), Buffer.from('x'))
    expect(answer.code).not.toBe(0)
    expect(host.sh('ls -d out 2>/dev/null')).toBe('')
  })

  it('of a role of a package has a name of its own, which no other role matches', () => {
    host.run(String(drainScript('web-01', '@acme/lb/lb', sh`:`)), Buffer.from(log('back')))
    expect(marks()).toBe('web-01@%40acme%2Flb%2Flb')
    const { parse } = drained.kind.observe([{ role: '@acme/lb/lb' }, { role: 'lb' }])
    expect(parse(Buffer.from('web-01@%40acme%2Flb%2Flb\0end\0'), NOTHING)).toEqual(
      new Map([
        ['@acme/lb/lb', ['web-01']],
        ['lb', []],
      ]),
    )
    host.run(String(undrainInterruptedScript(['lb'])))
    expect(marks()).toBe('web-01@%40acme%2Flb%2Flb')
    host.run(String(undrainInterruptedScript(['@acme/lb/lb'])))
    expect([marks(), logged()]).toEqual(['', 'back'])
  })

  it.each([0, 3])('is undone once, also if that ends with %i', (code) => {
    host.sh('mkdir -p state/drained; : >state/drained/web-01@lb; : >state/drained/web-02@lb')
    expect(host.run(String(undrainScript('web-01', 'lb', sh`exit ${code}`))).code).toBe(code)
    expect(marks()).toBe('web-02@lb')
  })
})

describe('drains of interrupted runs', () => {
  beforeEach(() => {
    host.sh('mkdir -p state/drained')
    for (const mark of ['web-01@lb', 'web-02@lb', 'web-01@proxy', 'db-01@mysql'])
      host.sh(`cat >state/drained/${mark} <<'E'\n${log(mark)}; cat\nE`)
  })

  it('are undone for the roles of a run, each host by name', () => {
    const { code, stdout } = host.run(String(undrainInterruptedScript(['lb', 'proxy'])), Buffer.from('input'))
    expect([code, logged(), marks()]).toEqual([0, 'web-01@lb web-02@lb web-01@proxy', 'db-01@mysql'])
    expect(stdout.toString()).toBe(
      ['web-01', 'web-02', 'web-01'].map((name) => `provision-doing: putting ${name} back into service\n`).join(''),
    )
  })

  it('are undone for all roles if none is named, but for spared hosts', () => {
    const spared = [
      { member: 'web-01', role: 'lb' },
      { member: 'db-01', role: 'mysql' },
    ]
    expect(host.run(String(undrainInterruptedScript([], spared))).code).toBe(0)
    expect([logged(), marks()]).toEqual(['web-01@proxy web-02@lb', 'db-01@mysql web-01@lb'])
  })

  it('are all tried, and each that fails is named', () => {
    host.sh("echo 'exit 4' >state/drained/web-01@lb")
    const { code, stderr } = host.run(String(undrainInterruptedScript(['lb'])))
    expect([code, stderr, logged(), marks()]).toEqual([
      ...[4, 'web-01, drained by an interrupted run, not back in service\n', 'web-02@lb', 'db-01@mysql web-01@proxy'],
    ])
    expect(host.run(String(undrainInterruptedScript(['lb'])))).toMatchObject({ code: 0, stderr: '' })
  })

  it('are a debt of the host, and settled', () => {
    const all = ['lb', 'proxy', 'other'].map((role) => drained({ role }))
    const work = host.plan(...all)
    expect(work.map(({ id, change }) => [id, change])).toEqual(
      [
        ['lb', 'web-01, web-02 still drained by an interrupted run'],
        ['proxy', 'web-01 still drained by an interrupted run'],
      ].map(([id, reason]) => [id, { action: 'update', certainty: 'exact', reason, differences: [], debt: true }]),
    )
    expect(host.apply(work, drained.kind)).toBeUndefined()
    expect([host.plan(...all), marks()]).toEqual([[], 'db-01@mysql'])
    expect(drained.kind.plan({ role: 'lb' }, [], context)).toBeUndefined()
    expect([drained.kind.contained, drained.kind.orphan]).toEqual([true, { forget: true }])
  })

  it('are reported by the refusal of a run', () => {
    host.sh("echo 'exit 4' >state/drained/web-01@lb")
    expect(host.apply(host.plan(drained({ role: 'lb' })), drained.kind)).toMatchObject({
      what: 'some hosts not back in service (exit 4)',
      why: 'web-01, drained by an interrupted run, not back in service',
    })
  })

  it('are never read from an incomplete answer', () => {
    const { parse } = drained.kind.observe([{ role: 'lb' }])
    expect(parse(Buffer.from('end\0'), NOTHING).get('lb')).toEqual([])
    for (const answer of ['', 'web-01@lb\0', 'end']) expect(() => parse(Buffer.from(answer), NOTHING)).toThrow('did not list')
  })
})
