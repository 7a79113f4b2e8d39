import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { archive } from '../../../../src/resource/fetched/archive.ts'
import { type LocalFile, sha256Hex } from '../../../../src/resource/kind/content.ts'
import { type Here, here, mine } from '../run-here.ts'

export const local = (bytes: Uint8Array, name = 'app.tar.gz'): LocalFile => ({
  ...{ type: 'local', path: `dist/${name}`, sha256: sha256Hex(bytes), size: bytes.length, open: () => bytes },
})

/** A host with a directory `opt` of root, for archives. */
export const archiveHost = (...moved: readonly string[]): Here => {
  const host = here('/var/cache', ...moved)
  for (const name of ['var', 'var/cache', 'opt', 'source']) mkdirSync(host.at(name))
  mkdirSync(host.at('state'), { mode: 0o700 })
  chmodSync(host.at('opt'), 0o755)
  return host
}

/** Packs what a script makes in an empty directory. */
export const packedOn = (host: Here, script: string, words = '-z .'): Uint8Array => {
  rmSync(host.at('source'), { recursive: true })
  mkdirSync(host.at('source'))
  return execFileSync('sh', ['-ec', `umask 022; cd ${host.at('source')}; ${script}\ntar -c ${words}`], { maxBuffer: 2 ** 26 })
}

export const declaredOn = (host: Here, bytes: Uint8Array, more: object = {}) =>
  archive({ ...mine, path: host.at('opt/app'), content: local(bytes), ...more })

interface Interruption {
  /** Number of the call that changes a name, among those of the program that exchanges trees. */
  readonly before: number
  /** A script; by default the program and its shell are killed. */
  readonly run?: string
  /** Whether the host has renameat2(2). */
  readonly exchanges?: boolean
}

/** Until `undo`, the programs that exchange trees are interrupted: Perl modules can replace its own functions. */
export const interrupt = (host: Here, { before, run = '', exchanges = true }: Interruption): { undo(): void } => {
  writeFileSync(host.at('Interruption.pm'), MODULE)
  const settings = `BEFORE=${before} INTERRUPTION='${run}' EXCHANGES=${exchanges ? 1 : 0} PERL5OPT='-I${host.root} -MInterruption'`
  host.program('perl', `case "$*" in *rename_by*) export ${settings} ;; esac; exec /usr/bin/perl "$@"`)
  return { undo: () => rmSync(host.at('bin/perl')) }
}

const MODULE = `package Interruption;
my ($left, $run, $exchanges) = delete @ENV{'BEFORE', 'INTERRUPTION', 'EXCHANGES', 'PERL5OPT'};
sub call {
  return if --$left;
  if ($run) { system $run; return }
  kill 9, getppid, $$;
  sleep 10;
}
*CORE::GLOBAL::rename = sub ($$) { call(); CORE::rename($_[0], $_[1]) };
*CORE::GLOBAL::unlink = sub { call(); CORE::unlink(@_) };
*CORE::GLOBAL::rmdir = sub (_) { call(); CORE::rmdir($_[0]) };
*CORE::GLOBAL::mkdir = sub (_;$) { call(); CORE::mkdir($_[0], $_[1]) };
*CORE::GLOBAL::syscall = sub ($@) {
  return CORE::syscall($_[0], @_[1 .. $#_]) unless $_[0] == 316 || $_[0] == 276;
  if (!$exchanges) { $! = 38; return -1 }
  call();
  CORE::syscall($_[0], @_[1 .. $#_]);
};
1;
`
