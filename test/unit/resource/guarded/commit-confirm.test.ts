import { existsSync, readdirSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { commitConfirm } from '../../../../src/resource/guarded/commit-confirm.ts'
import {
  FORGET_CONFIRMED,
  readTrial,
  runOf,
  stateOf,
  type Trial,
  type TrialState,
  trialHistory,
  trialQueries,
  trialScript,
} from '../../../../src/resource/guarded/trial.ts'
import { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { sh } from '../../../../src/shell/sh.ts'
import { NOTHING } from '../answers.ts'
import { type Here, here } from '../run-here.ts'

const SLUG = 'door/front'
const BOOT = '11111111-2222-3333-4444-555555555555'
let host: Here
beforeEach(() => {
  host = here('/run/provision', '/proc/sys/kernel/random', '/etc/door')
  host.program('systemd-run', `echo "$*" >>${host.at('timers')}`)
  host.program('systemctl', `echo "$*" >>${host.at('stopped')}`)
  host.sh(
    `mkdir -p /proc/sys/kernel/random /etc/door; echo ${BOOT} >/proc/sys/kernel/random/boot_id; echo old >/etc/door/active; echo old >/etc/door/boot`,
  )
})
afterEach(() => host.remove())

// The active rules and those that a boot loads are two files. `reject` is invalid, `break` cannot be loaded.
const trial: Trial = {
  ...{ slug: SLUG, field: 'door', what: 'rules', confirmSeconds: 30 },
  prepare: sh`cat >"$run.new"; ! grep -q reject "$run.new" || { echo 'bad rules' >&2; exit 1; }
! grep -q edited /etc/door/active || { echo 'the door is not as it was observed' >&2; exit 68; }
[ "$saved" ] || cp /etc/door/active "$run.old"`,
  load: sh`cp "$run.new" /etc/door/active; ! grep -q break "$run.new"`,
  undo: sh`cp "$run.old" /etc/door/active`,
  keep: sh`cp "$run.new" /etc/door/boot`,
  fix: { refused: 'correct the rules', lockedOut: 'let the controller in' },
}
type Reached = 'confirms' | 'cannot connect' | 'comes too late'

/** Tries new rules. The steps up to `steps` are executed; the fourth is the one over the new connection. */
const attempt = (rules: string, reached: Reached = 'confirms', steps = 9, of: Trial = trial): HostRefusal | undefined => {
  const doing = commitConfirm(of, Buffer.from(`${rules}\n`))
  try {
    let next = doing.next()
    for (let i = 0; next.done !== true && i < steps; i += 1) {
      if (next.value.do === 'reconnect') {
        expect(next.value.withinMs).toBe(28_000)
        if (reached === 'comes too late') timerElapses()
        next = doing.next(
          reached === 'cannot connect' ? { code: 255, stdout: Buffer.alloc(0), stderr: '' } : host.run(String(next.value.script)),
        )
      } else if (next.value.do === 'shell')
        next = doing.next(host.run(String(next.value.script), next.value.input as Uint8Array | undefined))
      else throw new Error('unexpected step')
    }
    return undefined
  } catch (error) {
    if (error instanceof HostRefusal) return error
    throw error
  }
}

/** The command of the newest timer, as systemd runs it. */
const timerElapses = (): number => host.run(host.sh('sed -n "$ s/.*AccuracySec=200ms //p" timers')).code
const active = (): string => host.sh('cat /etc/door/active').trim()
const boot = (): string => host.sh('cat /etc/door/boot').trim()
const marks = (): readonly string[] =>
  existsSync(host.at('state/door'))
    ? readdirSync(host.at('state/door'))
        .map((name) => name.replace(/[.][0-9a-f]{16}$/, '.NONCE'))
        .sort()
    : []
const observed = (): TrialState =>
  readTrial(
    host
      .run(String(trialScript([SLUG])))
      .stdout.toString()
      .split('\0')[0] ?? '',
    {
      ...NOTHING,
      texts: new Map(
        trialQueries([SLUG]).texts.flatMap((path) => {
          const lines = host.sh(`cat ${path} 2>/dev/null`).split('\n').slice(0, -1)
          return lines.length === 0 ? [] : [[path, lines] as const]
        }),
      ),
    },
    SLUG,
  )
const QUIET: TrialState = { pending: undefined, unkept: false, rolledBack: undefined }

describe('a change that could lock everybody out', () => {
  it('is kept once a new connection confirms it, and stops the timer', () => {
    expect(attempt('new')).toBeUndefined()
    expect([active(), boot(), marks(), observed()]).toEqual(['new', 'new', [], QUIET])
    expect(host.sh('cat timers')).toMatch(
      /^-q --collect --unit=provision-door-([0-9a-f]{16}) --on-active=30s .*\/bin\/sh .*front[.]undo[.]\1\n$/,
    )
    expect(host.sh('cat stopped')).toMatch(/^stop provision-door-[0-9a-f]{16}[.]timer\n$/)
    expect(host.sh('ls -A /run/provision/door')).toBe('')
  })

  it('that the check rejects is not tried: nothing is armed or changed', () => {
    expect(attempt('reject')).toMatchObject({ what: 'new door rules not loaded (exit 1)', why: 'bad rules', fix: 'correct the rules' })
    expect([active(), boot(), marks(), existsSync(host.at('timers'))]).toEqual(['old', 'old', [], false])
  })

  it('of something that was edited by hand meanwhile is refused, and planned again', () => {
    host.sh('echo edited >/etc/door/active')
    expect(attempt('new')).toMatchObject({
      what: 'new door rules not loaded',
      why: 'the door is not as it was observed',
      fix: 'run again: the next plan starts from the present state',
    })
    expect(active()).toBe('edited')
  })

  it('that cannot be loaded is undone at once', () => {
    expect(attempt('break')).toMatchObject({
      what: 'new door rules not loaded (exit 1)',
      fix: 'correct them; the old rules are active again',
    })
    expect([active(), boot(), marks(), observed()]).toEqual(['old', 'old', [], QUIET])
    expect(timerElapses()).toBe(0)
    expect([active(), observed()]).toEqual(['old', QUIET])
  })

  it('that no new connection confirms is rolled back by the timer of the host', () => {
    expect(attempt('new', 'cannot connect')).toMatchObject({
      what: 'new door rules rolled back: no new connection confirmed them',
      why: 'no new connection within 28 seconds',
      fix: 'let the controller in; the host restores its old rules 30 seconds after the new ones were loaded',
    })
    expect([active(), boot(), observed().pending]).toEqual(['new', 'old', 'this boot'])
    expect(timerElapses()).toBe(0)
    expect([active(), boot(), marks()]).toEqual(['old', 'old', ['front.rolled-back']])
    expect(observed()).toEqual({ ...QUIET, rolledBack: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) })
  })

  it('is no longer reported as rolled back once a later change is kept', () => {
    attempt('new', 'cannot connect')
    timerElapses()
    expect(attempt('newer')).toBeUndefined()
    expect([active(), boot(), marks(), observed()]).toEqual(['newer', 'newer', [], QUIET])
  })

  it('is not confirmed by a connection that comes after the host has rolled back', () => {
    expect(attempt('new', 'comes too late')).toMatchObject({ why: 'the host had already restored its old rules' })
    expect([active(), boot()]).toEqual(['old', 'old'])
  })

  it('stays after its confirmation, if the timer elapses all the same', () => {
    attempt('new', 'confirms', 3)
    expect([active(), boot(), observed()]).toEqual(['new', 'old', { ...QUIET, unkept: true }])
    expect(timerElapses()).toBe(0)
    expect(active()).toBe('new')
    expect(attempt('new')).toBeUndefined()
    expect([boot(), marks(), observed()]).toEqual(['new', [], QUIET])
  })

  it('of an interrupted run is the older state for the next: a failure restores what was active before both', () => {
    attempt('first', 'confirms', 2)
    expect([active(), observed().pending]).toEqual(['first', 'this boot'])
    expect(attempt('second', 'cannot connect')?.what).toContain('rolled back')
    expect(marks()).toEqual(['front.pending.NONCE'])
    timerElapses()
    expect(active()).toBe('old')
  })

  it('whose undo was interrupted is undone before the next is armed', () => {
    attempt('first', 'confirms', 2)
    host.sh(`cd state/door; for mark in front.pending.*; do mv "$mark" "front.undoing.\${mark##*.}"; done`)
    expect(observed().pending).toBe('this boot')
    attempt('second', 'confirms', 1)
    expect([active(), marks()]).toEqual(['old', ['front.pending.NONCE', 'front.rolled-back']])
  })

  it('of an earlier boot has no part in the next: the boot has restored the old state', () => {
    attempt('first', 'confirms', 2)
    host.sh('for mark in state/door/*; do echo another-boot >"$mark"; done; echo old >/etc/door/active; rm -r /run/provision')
    expect(observed().pending).toBe('earlier boot')
    expect(attempt('second', 'cannot connect')?.what).toContain('rolled back')
    timerElapses()
    expect(active()).toBe('old')
  })
})

describe('a trial in progress', () => {
  it('has its files for root only, until it is kept', () => {
    attempt('new', 'confirms', 2)
    expect(host.sh('find state run -perm /077 | sort')).toBe('')
    expect(host.sh('ls run/provision/door')).toMatch(/^front\.new\nfront\.old\nfront\.undo\.[0-9a-f]{16}\n$/)
  })

  it('excludes every other while it is armed or undone, and waits for no lock of its own', () => {
    // The view of another shell that takes the lock now.
    const lock = sh`if flock -n ${host.at('state/door')} true; then echo free; else echo held; fi >>${host.at('log')}`
    const watched = { ...trial, prepare: sh`${trial.prepare}\n${lock}`, undo: sh`${trial.undo}\n${lock}` }
    attempt('first', 'confirms', 2, watched)
    host.sh(`cd state/door; for mark in front.pending.*; do mv "$mark" "front.undoing.\${mark##*.}"; done`)
    attempt('second', 'confirms', 2, watched)
    expect(timerElapses()).toBe(0)
    expect(host.sh('cat log')).toBe('held\nheld\nheld\nheld\n')
    expect(active()).toBe('old')
  })

  it('uses what its preparation found', () => {
    const armed = {
      ...trial,
      prepare: sh`${trial.prepare}\nfound=ports`,
      armed: sh`echo "$found" >${host.at('armed')}; ls ${host.at('state/door')} >>${host.at('armed')}`,
    }
    attempt('new', 'confirms', 1, armed)
    expect(host.sh('cat armed')).toMatch(/^ports\nfront\.pending\.[0-9a-f]{16}\n$/)
    expect(active()).toBe('old')
  })

  it('is not loaded if the host starts no timer', () => {
    host.program('systemd-run', 'echo no systemd >&2; exit 1')
    expect(attempt('new')).toMatchObject({ what: 'new door rules not loaded (exit 1)', why: 'no systemd' })
    expect([active(), marks()]).toEqual(['old', []])
  })

  it('stays unconfirmed if its undo fails', () => {
    attempt('new', 'cannot connect')
    host.sh('rm run/provision/door/front.old')
    expect(timerElapses()).not.toBe(0)
    expect([active(), marks(), observed()]).toEqual(['new', ['front.undoing.NONCE'], { ...QUIET, pending: 'this boot' }])
    host.sh('echo old >run/provision/door/front.old')
    expect(timerElapses()).toBe(0)
    expect([active(), marks()]).toEqual(['old', ['front.rolled-back']])
  })

  it('notes the time of its undo in UTC', () => {
    attempt('new', 'cannot connect')
    host.run(`export TZ=XXX-9; ${host.sh('sed -n "$ s/.*AccuracySec=200ms //p" timers')}`)
    expect(Math.abs(Date.now() - Date.parse(observed().rolledBack ?? ''))).toBeLessThan(600_000)
  })

  it('that cannot be kept stays active, and is kept by the next run', () => {
    const failing = { ...trial, keep: sh`false\n${trial.keep}` }
    expect(attempt('new', 'confirms', 9, failing)?.what).toBe('new door rules active, but not saved for the next boot (exit 1)')
    expect([active(), boot(), observed()]).toEqual(['new', 'old', { ...QUIET, unkept: true }])
  })

  it('is confirmed once more if the answer was lost', () => {
    const doing = commitConfirm(trial, Buffer.from('new\n'))
    let next = doing.next()
    for (; next.done !== true && next.value.do === 'shell'; )
      next = doing.next(host.run(String(next.value.script), next.value.input as Uint8Array | undefined))
    const script = next.done !== true && next.value.do === 'reconnect' ? String(next.value.script) : expect.fail('no new connection')
    expect([host.run(script), host.run(script)].map(({ code, stderr }) => [code, stderr])).toEqual([
      [0, ''],
      [0, ''],
    ])
    expect(marks()).toEqual(['front.confirmed.NONCE'])
  })
})

describe('the state of a trial', () => {
  it('has a reason for the next plan', () => {
    const at = '2026-01-02T03:04:05Z'
    expect(trialHistory('rules', QUIET)).toBeUndefined()
    expect(trialHistory('rules', { ...QUIET, pending: 'this boot', rolledBack: at })).toBe(
      'rules loaded but not confirmed by a new connection',
    )
    expect(trialHistory('rules', { ...QUIET, unkept: true })).toBe('rules confirmed but not saved for the next boot')
    expect(trialHistory('rules', { ...QUIET, pending: 'earlier boot' })).toBe(
      'last change not confirmed before a reboot, old rules restored',
    )
    expect(trialHistory('rules', { ...QUIET, rolledBack: at })).toBe(
      `last change rolled back by the host at ${at}, no new connection confirmed it`,
    )
  })

  it('counts what is pending in this boot before what an earlier boot left, and a confirmation only in this boot', () => {
    host.sh(`mkdir -p state/door; cd state/door; echo gone >front.pending.a; echo ${BOOT} >front.undoing.b; echo gone >front.confirmed.c`)
    expect(observed()).toEqual({ pending: 'this boot', unkept: false, rolledBack: undefined })
    expect(() => readTrial('', NOTHING, SLUG)).toThrow('the host did not report its boot id')
  })

  it('is read to its end, also from a mark that was not written completely', () => {
    host.sh('mkdir -p state/door; : >state/door/front.pending.a; printf gone >state/door/front.undoing.b')
    const { code, stdout } = host.run(`set -e\n${trialScript([SLUG])}`)
    expect([code, stdout.toString()]).toEqual([0, 'pending \nundoing gone\n\0'])
    expect(observed().pending).toBe('earlier boot')
  })

  it('forgets confirmations of earlier boots, and no others', () => {
    host.sh(`mkdir -p state/door; cd state/door; echo gone >front.confirmed.a; echo ${BOOT} >front.confirmed.b; echo gone >front.pending.c`)
    host.run(String(FORGET_CONFIRMED))
    expect(host.sh('ls state/door')).toBe('front.confirmed.b\nfront.pending.c\n')
  })

  it('has places that survive a boot, and places that do not', () => {
    expect([stateOf('a/b'), runOf('a/b')]).toEqual(['/var/lib/provision/a/b', '/run/provision/a/b'])
    expect(trialQueries([])).toEqual({ texts: [] })
  })
})
