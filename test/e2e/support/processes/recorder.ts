import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// Sweeps through /proc again and again; of what runs in a host (another space of process numbers than ours) it writes down, once
// each, what it was started with and its environment.
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

/** Everything that ran in any lab host while \`act\` did, a process a line: \`ARGS … ENV …\`. Short-lived ones can be missed; strace misses none. */
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
