import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'

/** Directories of the scripts that a temporary root replaces. */
const MOVED = /(?<![\w/}$-])\/(var\/lib|var\/cache|usr\/sbin\/policy-rc\.d|run\/systemd|etc|proc)(?=[/\s"'.;]|$)/gm

/** A host for scripts that install packages: a temporary root, and stand-ins for the programs that would change this machine. */
export interface PackageHost {
  readonly root: string
  /** Words with which `apt-get` was called, a line each. */
  readonly calls: () => readonly string[]
  run(script: string): { readonly status: number; readonly stdout: string; readonly stderr: string }
  write(path: string, text?: string): void
  /** Replaces a program. */
  program(name: string, script: string): void
  /** `apt-get` runs this script; `$*` are its words. */
  apt(script: string): void
}

/** `installed` are lines of dpkg: `nginx amd64 1.22 install ok installed`. */
export const packageHost = (installed: readonly string[]): PackageHost => {
  const root = mkdtempSync(join(tmpdir(), 'packages-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  const write = (path: string, text = ''): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  const stub = (name: string, script: string): void => {
    write(`bin/${name}`, `#!/bin/sh\n${script}\n`)
    chmodSync(join(root, 'bin', name), 0o755)
  }
  write('dpkg', ['dpkg amd64 1 install ok installed', ...installed].map((line) => `${line}\n`).join(''))
  write('calls')
  for (const directory of [
    'var/lib/dpkg/updates',
    'var/lib/dpkg/info',
    'var/lib/apt/lists',
    'var/cache/apt/archives',
    'usr/sbin',
    'etc/apt/sources.list.d',
    't',
  ])
    mkdirSync(join(root, directory), { recursive: true })
  write('var/lib/apt/lists/archive_Packages')
  write('proc/locks')
  write('proc/uptime', '1000.50 2000.10\n')
  // Prints the fields of a format, as dpkg-query does.
  stub(
    'dpkg-query',
    String.raw`perl -e 'my ($file, $format) = @ARGV; open F, "<", $file; while (<F>) { chomp; my ($p, $a, $v, $w, $e, $s) = split / /;
my %f = (Package => $p, Architecture => $a, Version => $v, Status => "$w $e $s", "db:Status-Status" => $s, "db:Status-Want" => $w, "db:Status-Eflag" => $e);
my $l = $format; $l =~ s/\$\{([^}]*)\}/$f{$1}/g; $l =~ s/\\n/\n/g; $l =~ s/\\t/\t/g; print $l }' "$ROOT/dpkg" "$3"`,
  )
  for (const name of ['systemctl', 'sync', 'dpkg']) stub(name, ':')
  const apt = (script: string): void => stub('apt-get', `printf '%s\\n' "$*" >>"$ROOT/calls"\n${script}`)
  apt(':')
  return {
    root,
    write,
    program: stub,
    apt,
    calls: () => readFileSync(join(root, 'calls'), 'utf8').split('\n').slice(0, -1),
    run: (script) => {
      const text = script.replaceAll(MOVED, `${root}/$1`)
      const env = { PATH: `${root}/bin:${process.env.PATH}`, ROOT: root, T: join(root, 't'), LC_ALL: 'C' }
      const { status, stdout, stderr } = spawnSync('sh', [], { input: `( ${text}\n)`, env, encoding: 'utf8' })
      return { status: status ?? 255, stdout, stderr }
    },
  }
}
