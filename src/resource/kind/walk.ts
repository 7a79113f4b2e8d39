import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { PACKAGED } from './compare/packaged.ts'

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
sub account { local $!; return getpwuid($_[0]) // "uid $_[0]" }
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
  my @steps = split m{/+}, $_[0]; my $links = 0; @held = ();
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

/**
 * Routines for programs that change something: they end with a message and an exit status, and name `$current` as the resource that failed,
 * and the account other than root that controls its path, if there is one.
 */
const ACT = String.raw`
my ($current, $controller) = ('', '');
sub controller { return $controller ne '' ? $controller : ($other // '') ne '' ? $other : @held && $held[1] ne 'root' ? $held[1] : '' }
sub fail {
  my ($why, $status, $account) = @_; $account //= controller();
  print "culprit\0$current\0" if $current ne '';
  print "account\0$account\0" if $account ne '';
  print STDERR "$why\n"; exit($status // 1);
}
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
sub done { print "done\0$_[0]\0" }
sub to_disk { my $h; sysopen($h, $_[0], O_RDONLY | O_NOFOLLOW | O_NONBLOCK) && $h->sync }
# The observation has a number where an account has no name.
sub uid_of { my ($n) = @_; $n eq 'root' ? 0 : getpwnam($n) // ($n =~ /^\d+\z/ ? $n : fail("user $n does not exist", 1, '')) }
sub gid_of { my ($n) = @_; $n eq 'root' ? 0 : getgrnam($n) // ($n =~ /^\d+\z/ ? $n : fail("group $n does not exist", 1, '')) }
`

/** Exit status of a script that found a resource changed since it was observed. */
export const CHANGED = 68

/** Exit status of a script that changed some resources of a batch before one failed. */
export const PARTLY = 69

/** Maximum length of a file to digest, in bytes, where another account may have made a larger one and no length is expected. */
const DIGEST_AT_MOST = 268_435_456

/**
 * The routine `digest_of` returns the SHA-256 of an open regular file. Where root is not alone it returns an empty word for a file over
 * the limit, or over the expected length if that is larger.
 */
export const DIGEST = `
sub digest_of {
  my ($h, $expected) = @_;
  my @s = stat $h;
  my $at_most = ($expected // 0) > ${DIGEST_AT_MOST} ? $expected : ${DIGEST_AT_MOST};
  return '' if $other ne '' && $s[7] > $at_most;
  my $child = open(my $sum, '-|') // fail("no program can be started: $!");
  if (!$child) { open STDIN, '<&', $h; exec 'sh', '-c', $other eq '' ? 'exec sha256sum' : "head -c $at_most | sha256sum" }
  my $digest = <$sum> // '';
  return substr($digest, 0, 64);
}
`

/** Prefix of the marks that enclose each step of a run, in the directory of the shell: `step.7.from` and `step.7.to`. */
export const STEP_MARK = 'step.'

/** The same for a step that installs packages, from the moment at which it has dpkg to itself. */
export const INSTALL_MARK = 'install.'

/**
 * Routines for a write that compares first. `inode_of` describes a name of the working directory as `inodeWord` does. `is_as_observed`
 * accepts what was observed, a path that was absent and was created during a step of this run, and what a package has at a path that was
 * created or changed while this run installed packages.
 */
export const OBSERVED = String.raw`${PACKAGED}
sub described {
  my ($type, $s, @names) = @_;
  return sprintf '%s %o %s %s', $type, $s->[2] & 07777, @names;
}
sub inode_of {
  my ($name) = @_;
  my @s = lstat $name or return 'absent';
  return 'l ' . readlink $name if S_ISLNK($s[2]);
  my $type = S_ISREG($s[2]) ? 'f' : S_ISDIR($s[2]) ? 'd' : 'special';
  # The observation has a number where an account has no name. An earlier step may have created the account.
  my @groups = (getgrgid($s[5]) // (), $s[5]);
  return map { my $owner = $_; map { described($type, \@s, $owner, $_) } @groups } (getpwuid($s[4]) // (), $s[4]);
}
sub is_of_this_run {
  my ($name, $scratch, $is_change) = @_;
  return 0 if $scratch eq '' || !lstat $name;
  my @marks = glob "$scratch/{${STEP_MARK},${INSTALL_MARK}}*" or return 0;
  open(my $times, '-|', 'stat', '-c', '%.9Z %.9Y %n', '--', "./$name", @marks) or return 0;
  my ($changed) = split / /, <$times> // return 0;
  my %steps;
  while (<$times>) { my (undef, $at, $mark) = split / /; $steps{$1}{$2}{$3} = $at if $mark =~ m{/(${STEP_MARK}|${INSTALL_MARK})(\d+)[.](from|to)$} }
  my $is_in = sub { my ($from, $to) = @{$_[0]}{'from', 'to'}; return defined $from && $from le $changed && $changed le ($to // $changed) };
  return 1 if !$is_change && grep { $is_in->($_) } values %{$steps{'${STEP_MARK}'}};
  return 0 unless grep { defined $_->{to} && $is_in->($_) } values %{$steps{'${INSTALL_MARK}'}};
  return is_of_package($name, $is_change);
}
# Paths that an earlier step of this run has deleted: what another kind declares there is created, although something was observed.
sub remember_deleted {
  my ($path, $scratch) = @_; my $h;
  open($h, '>>', "$scratch/deleted") && print $h "$path\0" if $scratch ne '';
}
sub deleted { remember_deleted(@_); done($_[0]) }
sub is_deleted {
  my ($path, $scratch) = @_; local $/ = "\0";
  open(my $h, '<', "$scratch/deleted") or return 0;
  return grep { $_ eq "$path\0" } <$h>;
}
sub is_as_observed {
  my ($name, $observed, $scratch) = @_;
  my @now = inode_of($name);
  return 1 if $now[0] eq 'absent' && is_deleted($current, $scratch);
  return 1 if $observed eq '' || grep { $_ eq $observed } @now;
  return is_of_this_run($name, $scratch, $observed ne 'absent');
}
sub changed { my ($path, $name) = @_; fail("$path is not as it was observed" . owned($name), ${CHANGED}) }
`

/**
 * Shell functions `in_step FROM [TO]` and `in_install FROM [TO]`: whether these files have a time of their content within one step of this
 * run; within one that installed packages. Of a directory, that is the time of the last change of its entries. Builtins only.
 */
export const IN_STEP = sh`within() {
  for from in "$T/$1"*.from; do
    [ -e "$2" ] && [ -e "$from" ] && ! [ "$from" -nt "$2" ] || continue
    to=\${from%from}to
    if [ -e "$to" ]; then [ "\${3:-$2}" -nt "$to" ] || return 0; elif [ "$1" = ${STEP_MARK} ]; then return 0; fi
  done
  return 1
}
in_step() { within ${STEP_MARK} "$@"; }
in_install() { within ${INSTALL_MARK} "$@"; }`

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

/** A path as it was observed, by `inodeWord` and digest. An empty word is not compared. */
export interface ObservedPath {
  readonly path: string
  readonly inode: string
  readonly sha256?: string | undefined
  /** The inode that the script would make: where somebody made it meanwhile, nothing is overwritten. */
  readonly wanted?: string
}

/**
 * Like `guardScript`, and ends the script with `CHANGED` unless these paths are as they were observed, or as a step of this run has
 * left them. The paths are below the directories.
 */
export const guardObserved = (directories: readonly string[], observed: readonly ObservedPath[]): Script => {
  const guarded = [...new Set(directories)]
  const words = observed.flatMap(({ path, inode, wanted = inode, sha256 = '' }) => [path, inode, wanted, sha256])
  return sh`${walk(GUARD_OBSERVED)} "\${T-}" ${[guarded.length, ...guarded, ...words]} || exit`
}

const GUARD_OBSERVED = `${DIGEST}${OBSERVED}
my ($scratch, $count) = splice @ARGV, 0, 2;
my @rest = splice @ARGV, $count;
${GUARD}
while (my ($path, $observed, $wanted, $digest) = splice @rest, 0, 4) {
  $current = $path;
  my ($dir, $name) = parted($path);
  reach($dir);
  my @now = inode_of($name);
  # The content of a link is its target, that of a file its digest.
  my $is_content_known = $digest ne '' || $now[0] =~ /^l /;
  my $is_same = grep { $_ eq $observed || ($is_content_known && $_ eq $wanted) } @now;
  if ($is_same && $digest ne '' && $now[0] =~ /^f /) {
    sysopen(my $h, $name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) or fail("$path cannot be read: $!");
    $is_same = digest_of($h) eq $digest;
  }
  $is_same || is_of_this_run($name, $scratch) || ($now[0] eq 'absent' && is_deleted($path, $scratch)) or changed($path, $name);
}
`
