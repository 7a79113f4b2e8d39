import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Shell } from '../../../src/host/shell/shell.ts'

/** A host that is this machine's `sh`, for scripts that leave the machine alone. */
export const localShell = (host: string, translate: (script: string) => string = (script) => script): Shell => ({
  host,
  sshConnection: [],
  frames: 0,
  request: async (script, { input } = {}) => {
    const temporary = mkdtempSync(join(tmpdir(), 'provision-local-'))
    // A file, as in the root shell of a host: scripts may seek in it.
    writeFileSync(join(temporary, 'i'), input instanceof Uint8Array ? input : '')
    const stdin = openSync(join(temporary, 'i'), 'r')
    try {
      const env = { ...process.env, T: temporary }
      const { status, stdout, stderr } = spawnSync('sh', ['-c', translate(script)], { stdio: [stdin, 'pipe', 'pipe'], env })
      return { code: status ?? 255, stdout, stderr: stderr.toString() }
    } finally {
      closeSync(stdin)
      rmSync(temporary, { recursive: true })
    }
  },
  close: async () => undefined,
})
