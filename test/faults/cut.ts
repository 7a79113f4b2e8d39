// Runs `provision` with these words, and stops itself with SIGSTOP when so many requests have been written, on any hosts:
// `node cut.ts AFTER NOTE run …`. NOTE is a file that says how many were written, and to which host the last. 0 never comes.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const { PersistentShell } = await import('../../src/host/shell/persistent-shell.ts')

const [after = '', note = '', ...words] = process.argv.slice(2)
let written = 0
const { request } = PersistentShell.prototype
PersistentShell.prototype.request = function (script, options) {
  const answer = request.call(this, script, options)
  written += 1
  writeFileSync(note, `${written} ${this.host}`)
  if (written === Number(after)) process.kill(process.pid, 'SIGSTOP')
  return answer
}

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
process.argv = [process.argv[0] ?? 'node', main, ...words]
await import('../../src/main.ts')
