import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allKinds } from './all-kinds.ts'
import { scriptOf } from './answers.ts'
import { listed, SAMPLES, seenNothing, stepsOf, world } from './samples.ts'

/** A path on which every program writes down that it was started, and then runs. */
let stubs: string
beforeAll(() => {
  stubs = mkdtempSync(join(tmpdir(), 'laws-'))
  for (const program of PROGRAMS) {
    const real = spawnSync('sh', ['-c', `PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v ${program}`])
      .stdout.toString()
      .trim()
    const run = real === '' ? 'exit 1' : `exec ${real} "$@"`
    writeFileSync(join(stubs, program), `#!/bin/sh\necho ${program} >>${stubs}/log\n${run}\n`, { mode: 0o755 })
  }
})
afterAll(() => rmSync(stubs, { recursive: true }))

const PROGRAMS =
  'perl setpriv getent find grep stat sha256sum dpkg-query dpkg systemctl nft openssl base64 cat cut head tail awk sed ls apt-mark readlink test id'.split(
    ' ',
  )

const programsStartedBy = (script: string): readonly string[] => {
  writeFileSync(join(stubs, 'log'), '')
  spawnSync('/bin/sh', ['-s'], { input: `{ ${script}\n} </dev/null`, env: { PATH: stubs, LC_ALL: 'C', T: stubs } })
  return readFileSync(join(stubs, 'log'), 'utf8').trim().split('\n')
}

it('every kind is under the laws', () => {
  expect(Object.keys(SAMPLES).sort()).toEqual([...allKinds.keys()].sort())
})

describe.each(listed)('$name', ({ kind, sample, spec }) => {
  it('says what happens to a resource that no role declares any more', () => {
    expect(kind.orphan).toBeDefined()
  })

  it('plans nothing for a host that is as wanted', () => {
    expect(kind.plan(spec(1), sample.asWanted(1), world)).toBeUndefined()
  })

  it('names its resources apart, and the same one always alike', () => {
    expect(kind.id(spec(1))).toBe(kind.id(spec(1)))
    expect(kind.id(spec(1))).not.toBe(kind.id(spec(2)))
  })

  it('starts as many programs to look at 200 as at one', () => {
    const [one, many] = [[1], Array.from({ length: 200 }, (_, i) => i)].map((some) =>
      programsStartedBy(scriptOf(kind.observe(some.map(spec)))),
    )
    expect(many).toEqual(one)
  })

  it('touches only what the plan named', () => {
    const [one, due] = [spec(1), spec(7)]
    const verdict = { action: 'create', certainty: 'exact', reason: 'missing', differences: [] } as const
    const steps = stepsOf(
      kind.apply([{ id: kind.id(due), spec: due, state: kind.name === 'nftables' ? {} : seenNothing(kind.name), change: verdict }]),
    )
    expect(steps.length).toBeGreaterThan(0)
    expect(steps.join('\n')).toContain('sample7')
    expect(steps.join('\n')).not.toContain(kind.id(one))
  })
})
