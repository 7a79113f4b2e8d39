import { spawnSync } from 'node:child_process'
import type { Shell } from '../../../src/host/shell/shell.ts'

/** A host that is this machine's `sh`, for scripts that leave the machine alone. */
export const localShell = (host: string, translate: (script: string) => string = (script) => script): Shell => ({
  host,
  sshConnection: [],
  frames: 0,
  request: async (script, { input } = {}) => {
    const bytes = input instanceof Uint8Array ? input : Buffer.alloc(0)
    const { status, stdout, stderr } = spawnSync('sh', ['-c', translate(script)], { input: bytes })
    return { code: status ?? 255, stdout, stderr: stderr.toString() }
  },
  close: async () => undefined,
})
