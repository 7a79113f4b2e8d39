import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { rebootHost, settle } from '../../../src/engine/apply/reboot.ts'
import type { Session } from '../../../src/engine/observe/session.ts'
import type { RunHost } from '../../../src/engine/run-state.ts'
import type { Shell } from '../../../src/host/shell/shell.ts'
import { Problem } from '../../../src/problem.ts'
import { defineKind, keyOf } from '../../../src/resource/kind/kind.ts'
import { sh } from '../../../src/shell/sh.ts'
import { localShell } from './local-shell.ts'
import { runWith } from './run-with.ts'

const lost = new Problem({ class: 'unreachable', where: { host: 'a' }, what: 'connection was lost', fix: 'look' })
const STEP = { do: 'reboot', reason: 'because', withinMs: 200 } as const

/** A shell of a system with this boot id. `down`: how a reboot ends; a lost connection by default. */
const shellOf = (
  id: string,
  down: () => Awaited<ReturnType<Shell['request']>> = () => {
    throw lost
  },
  closed: string[] = [],
): Shell => ({
  host: 'a',
  sshConnection: [],
  frames: 0,
  request: async (script) => (script.includes('boot_id') ? { code: 0, stdout: Buffer.from(`${id}\n`), stderr: '' } : down()),
  close: async () => {
    closed.push(id)
  },
})

/** Reboots a host whose next connections end so. */
const rebooted = async (shell: Shell, next: readonly (Shell | Problem)[], signal = new AbortController().signal) => {
  const left = [...next]
  const session = {
    host: 'a',
    shell,
    reopen: async () => {
      const one = left.length > 1 ? left.shift() : left[0]
      if (one === undefined || one instanceof Problem) throw one ?? lost
      return one
    },
  } as unknown as Session
  const said: unknown[] = []
  const answer = await rebootHost(session, STEP, { listen: (event) => said.push(event), signal, pauseMs: 1 })
  return { answer, session, said, left: left.length }
}

describe('a reboot', () => {
  it('ends with a shell of another boot', async () => {
    const closed: string[] = []
    const back = shellOf('2')
    const { answer, session } = await rebooted(shellOf('1', undefined, closed), [lost, shellOf('1', undefined, closed), back])
    expect(answer.code).toBe(0)
    expect(session.shell).toBe(back)
    expect(closed).toEqual(['1', '1'])
  })

  it('fails if the host does not come back, which counts as lost', async () => {
    const error = await rebooted(shellOf('1'), [lost]).catch((thrown) => thrown)
    expect(error).toMatchObject({ class: 'unreachable', where: { host: 'a' }, why: 'connection was lost' })
    expect(error.what).toMatch(/^host did not come back within \d+ minutes after its reboot$/)
    await expect(rebooted(shellOf('1'), [shellOf('1')])).rejects.toMatchObject({ why: 'it answers with the same boot id' })
  })

  it('fails if the host does not go down', async () => {
    const refuses = shellOf('1', () => ({ code: 1, stdout: Buffer.alloc(0), stderr: 'Operation inhibited by "backup"\n' }))
    await expect(rebooted(refuses, [])).rejects.toMatchObject({ what: 'a does not reboot', why: 'Operation inhibited by "backup"' })
    const stays = shellOf('1', () => ({ code: 0, stdout: Buffer.alloc(0), stderr: '' }))
    await expect(rebooted(stays, [])).rejects.toMatchObject({ why: 'it is still running 1 s after systemctl reboot' })
  })

  it('is not waited for after an interruption, and no other error is hidden', async () => {
    await expect(rebooted(shellOf('1'), [lost], AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' })
    const broken = shellOf('1', () => {
      throw new TypeError('a defect')
    })
    await expect(rebooted(broken, [])).rejects.toThrow('a defect')
  })
})

describe('a host that is back', () => {
  /** A resource that is as declared at its n-th observation. */
  const slow = (n: number) => {
    let seen = 0
    return defineKind({
      name: `slow-${Math.random().toString(36).slice(2).replaceAll(/\d/g, 'x')}`,
      schema: z.strictObject({ id: z.string() }),
      id: ({ id }) => id,
      observe: (specs: readonly { id: string }[]) => {
        seen += 1
        return { script: sh``, parse: () => new Map(specs.map(({ id }) => [id, seen >= n])) }
      },
      plan: (_, isDone) => (isDone ? undefined : { action: 'update', certainty: 'exact', reason: 'starting', differences: [] }),
      *apply() {},
    })
  }
  const settled = async (n: number, { isComing = false, settleMs = 5000 } = {}) => {
    const resource = slow(n)({ id: 'x' })
    const declared = { play: 0, role: 'test', resource }
    const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
    const host = {
      session: { host: 'a', shell: localShell('a') },
      resources: [declared],
      pending: isComing ? [{ ...declared, state: '', change }] : [],
      changes: [],
      issuers: [],
    } as unknown as RunHost
    const run = runWith({ hosts: new Map([['a', host]]), prepared: {}, listen: () => {} })
    return settle(run, host, 1, settleMs).then((is) => ({ is, state: run.observations.get('a')?.get(keyOf(resource)) }))
  }

  it('is waited for until its resources are as declared again', async () => {
    expect(await settled(3)).toEqual({ is: true, state: true })
    expect(await settled(9, { isComing: true })).toEqual({ is: true, state: false })
  })

  it('fails with the resources that a boot changed', async () => {
    await expect(settled(99, { settleMs: 0 })).rejects.toMatchObject({
      what: 'host is not as declared after its reboot',
      why: expect.stringMatching(/^slow-\w+:x \(starting\)$/),
    })
  })
})
