import { describe, expect, test } from 'vitest'
import { execOn } from '../../../../src/host/shell/exec.ts'
import { problemOf } from '../../problem-of.ts'
import { localHost } from './local-host.ts'

describe('a command', () => {
  test.each([true, false])('has empty input, separate outputs and its own exit status (sudo: %s)', async (sudo) => {
    const host = await localHost()
    const out: Record<'stdout' | 'stderr', string> = { stdout: '', stderr: '' }
    const code = await execOn(host.target, "cat; echo 'it''s'; echo err >&2; exit 6", {
      sudo,
      onStdout: (chunk) => {
        out.stdout += chunk
      },
      onStderr: (chunk) => {
        out.stderr += chunk
      },
    })
    expect([code, out]).toEqual([6, { stdout: 'its\n', stderr: 'err\n' }])
  })

  test('that a signal ended is reported without an exit status', async () => {
    const host = await localHost()
    expect(await problemOf(execOn(host.target, 'kill -9 $$'))).toMatchObject({
      class: 'unreachable',
      what: 'exit status of the command is not known: the connection was lost, or a signal ended the command',
    })
  })
})
