import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// Scans /proc repeatedly and records the arguments and the environment of every process in a lab host (in another PID namespace), once
// each.
const SWEEP = `use strict; my $own = readlink "/proc/self/ns/pid"; my %known; $| = 1; my $n = 0;
open(my $out, ">", $ARGV[0]) or die; select((select($out), $| = 1)[0]); print "begun\\n";
while (1) {
  opendir(my $d, "/proc") or die; my @pids = grep { /^\\d+$/ } readdir $d; closedir $d; $n++;
  for my $p (@pids) {
    my $ns = readlink "/proc/$p/ns/pid"; next if !defined $ns || $ns eq $own;
    my ($c, $e) = map { my $f; local $/; open($f, "<", "/proc/$p/$_") ? (scalar <$f>) // "" : "" } qw(cmdline environ);
    my $line = join " ", map { my $t = $_; $t =~ s/[\\0\\n]/ /g; $t } "ARGS $c", "ENV $e";
    print $out "$line\\n" if $line =~ /ARGS \\S/ && !$known{$line}++;
  }
  select undef, undef, undef, 0.01;
}`

/** Returns the processes of all lab hosts while `act` runs, one per line: `ARGS … ENV …`. Can miss short-lived processes; strace misses none. */
export const recorded = async (act: () => unknown): Promise<readonly string[]> => {
  const scratch = mkdtempSync(join(tmpdir(), 'provision-record-'))
  try {
    const recorder: ChildProcess = spawn('perl', ['-e', SWEEP, join(scratch, 'seen')], { stdio: ['ignore', 'pipe', 'inherit'] })
    if (recorder.stdout !== null) await once(recorder.stdout, 'data')
    await act()
    recorder.kill('SIGKILL')
    await once(recorder, 'exit')
    return readFileSync(join(scratch, 'seen'), 'utf8').split('\n')
  } finally {
    rmSync(scratch, { recursive: true })
  }
}
