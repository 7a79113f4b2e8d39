import { expect, it } from 'vitest'
import { executeScript, MARIADB, queryScript, readRows } from '../../../../src/resource/database/client.ts'
import { HostRefusal } from '../../../../src/resource/kind/step.ts'

const refusal = (...lines: readonly string[]): HostRefusal => {
  try {
    readRows(Buffer.from(`${lines.join('\n')}\n`))
  } catch (error) {
    if (error instanceof HostRefusal) return error
    throw error
  }
  return expect.fail('was not refused')
}

it('reads rows only from a complete answer', () => {
  expect(readRows(Buffer.from('a\tb\\tc\n\nend\n'))).toEqual([['a', 'b\tc'], ['']])
  expect(readRows(Buffer.from('down\n'))).toBeUndefined()
  for (const said of ['', 'a', 'a\n', 'end', 'a\tdown\n']) expect(() => readRows(Buffer.from(said))).toThrow(HostRefusal)
})

it('refuses the answer of a blocked or silent server, with the cause', () => {
  const thread = 'thread 7 of root, for 20 s, Waiting for table metadata lock: alter table x…; to end it there: sudo mariadb -e "KILL 7"'
  expect(refusal('half a row', '', thread, 'blocked')).toMatchObject({ why: thread, fix: expect.stringContaining('kill the thread') })
  expect(refusal('', 'blocked').why).toContain('SHOW PROCESSLIST')
  expect(refusal('silent').what).toBe('database server accepts connections and does not answer')
})

it('every client has time limits and sends no local files', () => {
  for (const script of [MARIADB, queryScript('SELECT 1;'), executeScript('DO 1;')])
    for (const client of String(script).matchAll(/mariadb --.*/g))
      for (const word of ['lock_wait_timeout=10', 'max_statement_time=40', '--connect-timeout=10', '--local-infile=0'])
        expect(client[0]).toContain(word)
})
