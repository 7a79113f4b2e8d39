import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const PROGRAMS =
  'perl setpriv getent find grep stat sha256sum dpkg-query dpkg systemctl nft openssl base64 cat cut head tail awk sed tr ls apt-mark apt-get readlink test id'.split(
    ' ',
  )

/** Programs of a host that this machine may lack: the unit they describe is stopped, the table they list is empty. */
const STAND_INS: Readonly<Record<string, string>> = {
  systemctl: String.raw`units=; for word do case $word in --|-*|show|*,*) ;; *) printf 'LoadState=loaded\nActiveState=inactive\n\n' ;; esac; done`,
  'apt-get': "echo 'E: Unable to locate package sample1'; exit 100",
  nft: 'echo "meta expression, "',
}

/** Returns the names of the programs that a script starts, in order. */
export const programsStartedBy = (script: string): readonly string[] =>
  runWith(script, (name, run) => `echo ${name} >>"$T/log"\n${run}`)
    .log.split('\n')
    .filter((name) => name !== '')

/** Runs a script on this machine with a stub for each program, and returns what they appended to `$T/log`. The stub can run the program. */
export const runWith = (script: string, stubOf: (name: string, run: string) => string) => {
  const stubs = mkdtempSync(join(tmpdir(), 'laws-'))
  try {
    for (const program of PROGRAMS) {
      const real = realPath(program)
      const run = STAND_INS[program] ?? (real === '' ? 'exit 1' : `exec ${real} "$@"`)
      writeFileSync(join(stubs, program), `#!/bin/sh\n${stubOf(program, run)}\n`, { mode: 0o755 })
    }
    writeFileSync(join(stubs, 'log'), '')
    const env = { PATH: stubs, OLD: process.env.PATH, LC_ALL: 'C', T: stubs }
    const { stdout, stderr, status } = spawnSync('/bin/sh', ['-s'], { input: `{ ${script}\n} </dev/null`, env })
    return { stdout, stderr: String(stderr), status, log: readFileSync(join(stubs, 'log'), 'utf8') }
  } finally {
    rmSync(stubs, { recursive: true })
  }
}

const paths = new Map<string, string>()
const realPath = (program: string): string => {
  const known = paths.get(program)
  if (known !== undefined) return known
  const { stdout } = spawnSync('sh', ['-c', `PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v ${program}`], { encoding: 'utf8' })
  paths.set(program, stdout.trim())
  return stdout.trim()
}
