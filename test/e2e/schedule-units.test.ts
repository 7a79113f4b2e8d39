import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Job, RENEWAL, serviceText, timerText } from '../../src/schedule/units.ts'
import { quote } from '../../src/shell/quote.ts'
import { type TestHost, testHost } from './support/test-host.ts'

// Units of a scheduled run, read and run by systemd: every word must arrive unchanged.
let host: TestHost
beforeAll(async () => {
  host = await testHost('t-ctl-unit', '10.79.120')
}, 300_000)
afterAll(() => host.down())

const WORDS = [
  'plain',
  'two words',
  ' blank at both ends ',
  'tab\u00a0and ünï 漢字',
  '100%h %% %n',
  `$HOME \${HOME} $$`,
  `"double" and 'single'`,
  'back\\slash \\n \\x41',
  'ends in a backslash\\',
  'x; y ; # z',
  '*?[a-z]{b,c}~!&|<>()',
  '-dash',
  '@at',
  '\u202eturned',
]

const PROBE = `#!/bin/sh
out=$1; shift
{ pwd; printf '%s\\0' "$@" "$PROBE" "$FROM_FILE"; } >"$out"
`

it.each(WORDS)('%j as the name of the project, an argument and a value', async (word) => {
  const name = `probe-${createHash('sha256').update(word).digest('hex').slice(0, 8)}`
  const root = `/srv/${name}/${word}`
  const program = `${root}/${word}`
  const out = `/srv/${name}/out`
  const job: Job = {
    name,
    root,
    command: [program, out, word, 'end'],
    environment: { PROBE: word },
    environmentFile: `${root}/environment`,
    purpose: RENEWAL,
  }
  const files = `mkdir -p ${quote(root)} && cat >${quote(program)} && chmod 755 ${quote(program)} && echo FROM_FILE=read >${quote(job.environmentFile)}`
  await put(files, PROBE)
  await put(`cat >/etc/systemd/system/${name}.service`, serviceText(job))
  await put(`cat >/etc/systemd/system/${name}.timer`, timerText(job))
  expect(await host.run(`systemd-analyze verify /etc/systemd/system/${name}.* 2>&1`)).toBe('')
  await host.run(`systemctl daemon-reload && systemctl start ${name}.service`)
  expect(await host.run(`cat ${out}`)).toBe(`${root}\n${[word, 'end', word, 'read'].map((one) => `${one}\0`).join('')}`)
})

const put = async (script: string, input: string): Promise<void> => {
  const { code, stderr } = await host.session.shell.request(script, { input: Buffer.from(input) })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
}
