import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { dnsRecords } from '../../../src/acme/dns-hook.ts'

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
const published = (command: readonly string[], act: () => Promise<void>): Promise<void> =>
  dnsRecords({ hook: command, directory: 'https://ca.test/dir', records, doing: () => {}, signal: new AbortController().signal }, act)

describe('the command that publishes records', () => {
  it('is called for each record, without a shell, and again to remove them', async () => {
    await published(hook(), async () => expect(log()).toHaveLength(2))
    expect(log()).toEqual([
      '--zone|a b|add|_acme-challenge.a.test|one|',
      '--zone|a b|add|_acme-challenge.a.test|$(two)|',
      '--zone|a b|remove|_acme-challenge.a.test|one|',
      '--zone|a b|remove|_acme-challenge.a.test|$(two)|',
    ])
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

  it('is named if it does not exist', async () => {
    await expect(published([join(directory, 'nothing')], async () => {})).rejects.toMatchObject({ why: expect.stringContaining('ENOENT') })
  })
})
