import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { answerLoop, bootstrap, startCommand } from '../../../../src/host/shell/answer-loop.ts'
import { AnswerReader, requestFrame } from '../../../../src/host/shell/frame.ts'
import { raw } from '../../../../src/shell/script.ts'
import { LOCK } from './local-host.ts'

const word = 'c'.repeat(32)
const scratch = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'provision-loop-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Runs the command of a channel with this input. */
const start = (input: string | Buffer, shell = 'sh') =>
  spawnSync(shell, ['-c', String(startCommand(word, []))], {
    input,
    env: { PATH: process.env.PATH, HOME: '/nowhere', SSH_CONNECTION: '10.0.0.1 5 10.0.0.2 22' },
    timeout: 10_000,
  })

/** Answers of the loop to this input, and its exit status. */
const loop = (input: string | Buffer, { run = scratch(), lock = false } = {}) => {
  const text = bootstrap(word, answerLoop(word, lock ? { holder: LOCK, wait: false } : undefined)).replaceAll('/run/', `${run}/`)
  const { status, stdout, stderr } = start(Buffer.concat([Buffer.from(text), Buffer.from(input)]))
  const answers: { code: number; out: string; err: string }[] = []
  const reader = new AnswerReader()
  for (const mark of MARKS) {
    let out = ''
    reader.expect({ mark, onStdout: (piece) => (out += piece), onEnd: (code, err) => answers.push({ code, out, err }) })
  }
  reader.push(stdout)
  return { status, stdout: stdout.toString(), stderr: stderr.toString(), answers, run }
}
const MARKS = ['1', '2', '3'].map((digit) => digit.repeat(32))
const [first = '', second = '', third = ''] = MARKS

test.each(['sh', 'bash'])('a script is started by %s exactly as it was sent, behind the word', (shell) => {
  const sent = raw(`printf '%s\\n' "  a\\\\b" '	$x' "$1"\n\ncat`)
  expect(start(`${bootstrap(word, sent)}input`, shell).stdout.toString()).toBe(`${word}  a\\b\n	$x\n10.0.0.1 5 10.0.0.2 22\ninput`)
})

test('a script that does not arrive completely is not executed', () => {
  const sent = bootstrap(word, raw('echo one\necho two'))
  for (const length of [0, 1, sent.indexOf('echo two'), sent.length - 2]) expect(start(sent.slice(0, length)).stdout.toString()).toBe(word)
  expect(start(sent).stdout.toString()).toBe(`${word}one\ntwo\n`)
})

test('the loop opens with the connection, answers in order, and leaves no files', () => {
  const input = [requestFrame(first, 'echo one; echo "$#[$mark$line]" >&2; exit 3'), '\n', requestFrame(second, 'cat', Buffer.from('in'))]
  const { status, stdout, answers, run } = loop(Buffer.concat(input.map((part) => Buffer.from(part))))
  expect(stdout.startsWith(`${word}${word} open 10.0.0.1 5 10.0.0.2 22\n${first}+`)).toBe(true)
  expect(answers).toEqual([
    { code: 3, out: 'one\n', err: '0[]\n' },
    { code: 0, out: 'in', err: '' },
  ])
  expect([status, readdirSync(run)]).toEqual([0, []])
})

test('requests can read the keys of the login', () => {
  const request = requestFrame(first, 'printf "%s|" $login_keys')
  for (const keys of [undefined, [], ['AAAA+/=', 'BBBB']]) {
    const text = bootstrap(word, answerLoop(word, undefined, keys)).replaceAll('/run/', `${scratch()}/`)
    expect(start(Buffer.concat([Buffer.from(text), request])).stdout.toString()).toContain(`+${keys?.length ? 'AAAA+/=|BBBB|' : '|'}`)
  }
})

test('errors are sent up to 64 KB, and each answer has only its own', () => {
  const { answers } = loop(Buffer.concat([requestFrame(first, 'head -c 65537 /dev/zero | tr "\\0" x >&2'), requestFrame(second, ':')]))
  expect(answers.map(({ err }) => err.length)).toEqual([65_536, 0])
})

test('a step with the lock is recorded with its deadline, and the shell as idle after it', () => {
  const run = scratch()
  const input = [
    requestFrame(first, 'cat "$T/beat"', undefined, 30),
    requestFrame(second, 'cat "$T/beat"', Buffer.from('in'), 7),
    requestFrame(third, `cat ${run}/provision.holder`, undefined, 1),
  ]
  const { answers } = loop(Buffer.concat(input), { lock: true, run })
  expect(answers.map(({ out }) => out.split(' ').slice(0, 3).join(' '))).toEqual([
    expect.stringMatching(/^busy [\d.]+ 30$/),
    expect.stringMatching(/^busy [\d.]+ 7$/),
    expect.stringMatching(/^\d+ .*\/provision\.\d+\.cccccccc 5$/),
  ])
  expect(readFileSync(join(run, 'provision.holder'), 'utf8').split('\n')[1]).toBe(JSON.stringify(LOCK))
  expect(readdirSync(run).toSorted()).toEqual(['provision.holder', 'provision.lock'])
})

test.each([
  ['ends in a line of a script', Buffer.from(`${first} 2 0 0\ntouch made\n`), 98],
  ['ends in the bytes of a script', Buffer.from(`${first} 0 100 0\ntouch made\n`), 97],
  ['ends in the data of a request', Buffer.from(`${first} 1 0 10\ntouch made\nabc`), 97],
  ['ends before the mark', Buffer.from(`${first} 1 0 0\ntouch made\n`), 97],
  ['has another mark at the end', Buffer.from(`${first} 1 0 0\ntouch made\n${second}\n`), 97],
])('a request that %s is not executed, and ends the loop', (_, input, code) => {
  const run = scratch()
  const { status, answers } = loop(input.toString().replace('touch made', `touch ${run}/made`), { run })
  expect([status, answers, existsSync(join(run, 'made'))]).toEqual([code, [], false])
  expect(readdirSync(run)).toEqual([])
})

test.each([
  ['script', requestFrame(second, `: ${'x'.repeat(3000)}`)],
  ['input', requestFrame(second, 'cat', Buffer.from('in'))],
])('a host without room for a %s ends the loop with its own status', (_, frame) => {
  const { status, answers } = loop(Buffer.concat([requestFrame(first, 'rm -rf "$T"'), frame, requestFrame(third, 'echo no')]))
  expect([status, answers]).toEqual([94, [{ code: 0, out: '', err: '' }]])
})

test('a directory for temporary files that exists already is not used', () => {
  // Nobody else can create files in /run; the number of the process is not known before.
  const run = scratch()
  writeFileSync(join(run, 'file'), '')
  const { status, stdout } = loop(requestFrame(first, 'echo no'), { run: join(run, 'file') })
  expect([status, stdout]).toEqual([96, word])
})

test('a root shell that may start no programs ends at once, with the lock and without', () => {
  const run = scratch()
  const sent = (lock: boolean): string =>
    bootstrap(word, answerLoop(word, lock ? { holder: LOCK, wait: true } : undefined)).replaceAll('/run/', `${run}/`)
  for (const lock of [true, false]) {
    const env = { PATH: process.env.PATH, LD_PRELOAD: '/usr/libexec/sudo/sudo_noexec.so' }
    const { status, stdout } = spawnSync('sh', ['-c', String(startCommand(word, []))], { input: sent(lock), env })
    expect([status, stdout.toString()]).toEqual([93, word])
  }
  expect(readdirSync(run)).toEqual([])
})

test('a step that has begun finishes although nobody reads its answer, and no other begins', () => {
  const run = scratch()
  const text = bootstrap(word, answerLoop(word, undefined)).replaceAll('/run/', `${run}/`)
  // The reader ends after the word.
  const steps = [`sleep 0.1; echo out; echo done >${run}/one`, `echo done >${run}/two`]
  writeFileSync(join(run, 'input'), Buffer.concat([Buffer.from(text), ...steps.map((step, i) => requestFrame(MARKS[i] ?? '', step))]))
  writeFileSync(join(run, 'start'), String(startCommand(word, [])))
  spawnSync('sh', ['-c', `{ sh ${run}/start <${run}/input; echo $? >${run}/status; } | head -c 32`])
  expect(readFileSync(join(run, 'status'), 'utf8')).toBe('95\n')
  expect(readdirSync(run).toSorted()).toEqual(['input', 'one', 'start', 'status'])
})
