import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hookPublisher } from '../../../../src/acme/dns/hook.ts'
import { dnsRecords } from '../../../../src/acme/dns/publish.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'provision-hook-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** A command of the user's that writes down what it was called with. */
const hook = (more = ''): readonly string[] => {
  const path = join(directory, 'hook')
  writeFileSync(path, `#!/bin/sh\nprintf '%s|' "$@" >>${directory}/log; echo >>${directory}/log\n${more}\n`)
  chmodSync(path, 0o755)
  return [path, '--zone', 'a b']
}
const log = (): readonly string[] => readFileSync(join(directory, 'log'), 'utf8').trim().split('\n')
const records = [
  { name: '_acme-challenge.a.test', value: 'one' },
  { name: '_acme-challenge.a.test', value: '$(two)' },
]
const steps: string[] = []
const published = (command: readonly string[], act: () => Promise<void>, signal = new AbortController().signal): Promise<void> => {
  steps.length = 0
  return dnsRecords({ publisher: hookPublisher(command, 'https://ca.test/dir'), records, doing: (what) => steps.push(what), signal }, act)
}

describe('the command that publishes records', () => {
  it('is called for each record, without a shell, and again to remove them', async () => {
    await published(hook(), async () => expect(log()).toHaveLength(2))
    expect(log()).toEqual([
      '--zone|a b|add|_acme-challenge.a.test|one|',
      '--zone|a b|add|_acme-challenge.a.test|$(two)|',
      '--zone|a b|remove|_acme-challenge.a.test|one|',
      '--zone|a b|remove|_acme-challenge.a.test|$(two)|',
    ])
    expect(steps).toEqual(['publishing', 'publishing', 'removing', 'removing'].map((what) => `${what} _acme-challenge.a.test`))
  })

  it('removes the records after a failure as well, and keeps the first error', async () => {
    const refusing = hook(`case "$*" in *remove*) exit 1; esac`)
    await expect(published(refusing, () => Promise.reject(new Error('the order failed')))).rejects.toThrow('the order failed')
    expect(log()).toHaveLength(4)
  })

  it('ends the order with its own output if it fails', async () => {
    const failing = published(hook('echo "no such zone" >&2; exit 3'), async () => expect.fail('nothing was published'))
    await expect(failing).rejects.toMatchObject({ what: expect.stringContaining('acme.dns_hook failed'), why: 'no such zone' })
    expect(log()).toEqual(['--zone|a b|add|_acme-challenge.a.test|one|', '--zone|a b|remove|_acme-challenge.a.test|one|'])
  })

  it('is quoted without an error output: what it printed, or how it ended', async () => {
    await expect(published(hook('echo "quota exceeded"; exit 3'), async () => {})).rejects.toMatchObject({ why: 'quota exceeded' })
    await expect(published(hook('exit 3'), async () => {})).rejects.toMatchObject({ why: expect.stringContaining('Command failed') })
    const lines = Array.from({ length: 30 }, (_, i) => `line ${i}`)
    await expect(
      published(hook(`printf '%s\\n' ${lines.map((line) => `'${line}'`).join(' ')} >&2; exit 3`), async () => {}),
    ).rejects.toMatchObject({
      class: 'task',
      where: { host: 'controller', resource: 'acme-account:https://ca.test/dir' },
      what: `command of acme.dns_hook failed: ${directory}/hook add _acme-challenge.a.test`,
      why: lines.slice(10).join('\n'),
    })
  })

  it('ends with the time of the order', async () => {
    const controller = new AbortController()
    const started = performance.now()
    const order = published(hook('exec sleep 20'), async () => {}, controller.signal)
    setTimeout(() => controller.abort(), 200)
    await expect(order).rejects.toMatchObject({ why: expect.stringContaining('aborted') })
    expect(performance.now() - started).toBeLessThan(10_000)
  })

  it('is named if it does not exist', async () => {
    await expect(published([join(directory, 'nothing')], async () => {})).rejects.toMatchObject({ why: expect.stringContaining('ENOENT') })
  })
})
