import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'

/** Exit status of a program that refused a path, because another account could replace a part of it. The message names path and owner. */
export const UNSAFE = 67

/**
 * Perl routines (perl-base is Essential in Debian) that move from directory to directory by descriptor. `enter` makes a directory the
 * working directory: names after it are relative to an inode, which cannot be replaced. It follows a link only if root alone could have
 * made it. Afterwards `$other` names the others who can replace entries there: empty for none, an account, a group or everybody.
 */
export const ENTER = `
use strict; use warnings; use Fcntl qw(:DEFAULT :mode); use IO::Handle;
my ($at, $other, $other_uid, $sticky, @held);
sub account { getpwuid($_[0]) // "uid $_[0]" }
sub stop { @held = @_; return 0 }
sub note_others {
  my @s = @_;
  # In a sticky directory, only root can replace entries of root.
  ($other, $sticky) = ('', 0) if $sticky && $s[4] == 0;
  return if $other ne '' && !$sticky;
  ($other_uid, $sticky) = ($s[4] || -1, $s[4] == 0 && ($s[2] & 022) && ($s[2] & 01000));
  $other = $s[4] != 0 ? account($s[4]) : !($s[2] & 022) ? '' : $s[2] & 02 ? 'everybody' : 'group ' . (getgrgid($s[5]) // $s[5]);
}
sub enter {
  my @steps = split m{/+}, $_[0]; my $links = 0;
  chdir '/' or return stop('/', 'root', "cannot be entered: $!");
  ($at, $other, $other_uid, $sticky) = ('', '', -1, 0);
  while (@steps) {
    my $step = shift @steps;
    next if $step eq '' || $step eq '.';
    if ($step eq '..') { chdir '..'; $at =~ s{/[^/]*$}{}; next }
    my $here = "$at/$step";
    my @s = lstat $step or return stop($here, '', $!{ENOENT} ? 'does not exist' : "cannot be read: $!");
    if (S_ISLNK($s[2])) {
      return stop($here, $other || account($s[4]), 'is a link that root does not follow') if $other ne '' || $s[4] != 0 || ++$links > 20;
      my $to = readlink $step;
      if ($to =~ m{^/}) { chdir '/'; $at = '' }
      unshift @steps, split m{/+}, $to;
      next;
    }
    return stop($here, account($s[4]), 'is not a directory') unless S_ISDIR($s[2]);
    my $d;
    (sysopen($d, $step, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK) && (@s = stat $d) && chdir $d)
      or return stop($here, account($s[4]), "cannot be entered: $!");
    $at = $here;
    note_others(@s);
  }
  return 1;
}
sub parted { $_[0] =~ m{^(.*)/([^/]+)$}s ? ($1, $2) : ('', '.') }
`

/** Routines for programs that change something: they end with a message and an exit status. */
const ACT = String.raw`
sub fail { print STDERR "$_[0]\n"; exit($_[1] // 1) }
sub reach {
  my ($dir) = @_;
  return if enter($dir);
  fail("the directory $dir does not exist; declare it before its content") if $held[2] eq 'does not exist';
  fail("$held[0] $held[2]" . ($held[1] eq '' ? '' : " (owner: $held[1])"), $held[2] =~ /^is / ? ${UNSAFE} : 1);
}
sub owned {
  my @s = lstat $_[0] or return '';
  my $owner = account($s[4]);
  return " (owner: $owner" . ($other eq '' || $other eq $owner ? ')' : ", in a directory of $other)");
}
sub to_disk { my $h; sysopen($h, $_[0], O_RDONLY | O_NOFOLLOW | O_NONBLOCK) && $h->sync }
sub uid_of { my ($n) = @_; $n eq 'root' ? 0 : getpwnam($n) // fail("user $n does not exist") }
sub gid_of { my ($n) = @_; $n eq 'root' ? 0 : getgrnam($n) // fail("group $n does not exist") }
`

/** Exit status of a script that found a resource changed since it was observed. */
export const CHANGED = 68

/** Maximum length of a file to digest, in bytes: another account may have made a larger one. */
const DIGEST_AT_MOST = 268_435_456

/** The routine `digest_of` returns the SHA-256 of an open regular file, or an empty word if it is too large. */
export const DIGEST = `
sub digest_of {
  my ($h) = @_;
  my @s = stat $h;
  my $child = open(my $sum, '-|') // fail("no program can be started: $!");
  if (!$child) { open STDIN, '<&', $h; exec 'sh', '-c', 'head -c ${DIGEST_AT_MOST} | sha256sum' }
  my $digest = <$sum> // '';
  return $s[7] <= ${DIGEST_AT_MOST} ? substr($digest, 0, 64) : '';
}
`

/** Returns a Perl program with these routines as one shell command. Every account of the host can read its arguments. */
export const walk = (program: string, ...words: readonly string[]): Script => sh`perl -e ${`${ENTER}${ACT}${program}`} -- ${words}`

/**
 * Returns a shell fragment that ends the script with `UNSAFE` unless root alone can write to these directories and all above them. After
 * it, the script may use paths in them by name.
 */
export const guardScript = (directories: readonly string[]): Script => sh`${walk(GUARD, ...new Set(directories))} || exit`

const GUARD = `
for my $dir (@ARGV) {
  reach($dir);
  fail("$dir can be replaced by another account (owner: $other)", ${UNSAFE}) if $other ne '';
}
`
