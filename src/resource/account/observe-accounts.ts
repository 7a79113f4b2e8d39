import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { walk } from '../kind/walk.ts'
import { SESSIONS } from './end-sessions.ts'
import { HOME_OF_DELETED } from './home.ts'
import { fieldsOf } from './keys-fields.ts'

/** A question about an account, as a word of one letter and its value. */
export type AccountQuestion =
  /**
   * A user by name, with the declared number and home, or empty. The answer for a deleted one has its processes; with `ends` also what they
   * started.
   */
  | { readonly user: string; readonly uid: string; readonly home: string; readonly isDeleted: boolean; readonly ends?: boolean }
  | { readonly group: string; readonly isDeleted: boolean }
  | { readonly uidOwner: number }
  | { readonly gidOwner: number }
  | { readonly shell: string }
  | { readonly home: string; readonly of: string }
  /** An account whose home will be deleted. */
  | { readonly homeless: string }

/** Records of an answer: a word, and its fields. */
export type AccountRecords = ReadonlyMap<string, readonly (readonly string[])[]>

/**
 * One process for any number of questions. It asks for accounts by name, because a directory service need not list its accounts, and reads
 * no password: only the kind of each.
 */
export const accountsScript = (questions: readonly AccountQuestion[], withPasswords: boolean): Script =>
  sh`${walk(OBSERVE, withPasswords ? 'passwords' : '', ...questions.flatMap(wordsOf))} "\${SUDO_USER:-root}"
`

const wordsOf = (question: AccountQuestion): readonly string[] => {
  if ('user' in question)
    return ['user', question.user, question.uid, question.home, question.isDeleted ? (question.ends === true ? 'end' : 'delete') : '']
  if ('group' in question) return ['group', question.group, question.isDeleted ? 'delete' : '']
  if ('uidOwner' in question) return ['uid', String(question.uidOwner)]
  if ('gidOwner' in question) return ['gid', String(question.gidOwner)]
  if ('shell' in question) return ['shell', question.shell]
  if ('homeless' in question) return ['homeless', question.homeless]
  return ['home', question.home, question.of]
}

/** Number of fields of each record. */
const WIDTHS: Readonly<Record<string, number>> = {
  ...{
    user: 9,
    'no-user': 1,
    group: 4,
    'no-group': 2,
    member: 2,
    primary: 2,
    uid: 2,
    gid: 2,
    shell: 2,
    home: 4,
    homeless: 3,
    busy: 2,
    login: 1,
    grants: 1,
  },
}

/** Parses the answer. Throws if it is incomplete. */
export const readAccountRecords = (answer: Buffer): AccountRecords => {
  const { field, isAtEnd } = fieldsOf(answer)
  const found = new Map<string, string[][]>()
  for (let word = field(); word !== 'end'; word = field()) {
    const width = WIDTHS[word]
    if (width === undefined) throw new Error('the host did not list its accounts')
    const record = Array.from({ length: width }, field)
    found.set(word, [...(found.get(word) ?? []), record])
  }
  if (!isAtEnd()) throw new Error('the host did not list its accounts')
  return found
}

const OBSERVE = String.raw`${SESSIONS}${HOME_OF_DELETED}
my $login = pop @ARGV;
my $passwords = shift @ARGV;
sub say_fields { print join("\0", @_), "\0" }
sub lines_of { my $h; open($h, '<', $_[0]) ? <$h> : () }
my (%local_user, %local_group, %password, %members, %primary, %name_of, @asked);
$local_user{(split /:/)[0]} = 1 for lines_of('/etc/passwd');
$local_group{(split /:/)[0]} = 1 for lines_of('/etc/group');
if ($passwords) {
  for (lines_of('/etc/shadow')) { my ($n, $p) = split /:/; $password{$n} = $p eq '' ? 'empty' : $p =~ /^[!*]/ ? 'locked' : 'set' }
}
while (my @g = getgrent) { $name_of{$g[2]} //= $g[0]; $members{$_}{$g[0]} = 1 for split / /, $g[3] }
sub group_name { my ($gid) = @_; $name_of{$gid} // getgrgid($gid) // $gid }
my ($is_login_asked, $is_group_deleted, $ran) = (0, 0);
# The processes of a user, if a change needs that it has none. Only then all processes are examined.
sub busy {
  my ($uid) = @_;
  if (!$ran) {
    $ran = {};
    opendir my $proc, '/proc' or return;
    for my $pid (grep { /^\d+\z/ } readdir $proc) {
      my $status = join '', lines_of("/proc/$pid/status");
      my ($user) = $status =~ /^Uid:\s*(\d+)/m or next;
      my ($command) = $status =~ /^Name:\s*(.*)/m;
      my @root = stat "/proc/$pid/root"; my @ours = stat '/';
      push @{$ran->{$user}}, "$command ($pid)" if @root && "@root[0,1]" eq "@ours[0,1]";
    }
  }
  return @{$ran->{$uid} // []};
}
sub user {
  my ($name, $uid, $home, $deleted) = @_;
  my @p = getpwnam $name or return say_fields('no-user', $name);
  $is_login_asked = 1 if $name eq $login;
  my $is_home = lstat $p[7] ? 'home' : '';
  say_fields('user', $name, $p[2], group_name($p[3]), $p[6], $p[7], $p[8], $local_user{$name} ? 'local' : '', $password{$name} // '', $is_home);
  say_fields('member', $name, $_) for sort keys %{$members{$name} // {}};
  return unless $deleted || $uid ne '' && $uid != $p[2] || $home ne '' && $home ne $p[7];
  my @busy = $deleted eq 'end' ? do { my (undef, @all) = sessions_of($p[2]); map { $_->[1] } @all } : busy($p[2]);
  my $more = @busy > 5 ? ' and ' . (@busy - 5) . ' more' : '';
  say_fields('busy', $name, join(', ', @busy[0 .. ($#busy < 4 ? $#busy : 4)]) . $more) if @busy;
}
sub group {
  my ($name, $deleted) = @_;
  my @g = getgrnam $name;
  my $is_shadowed = grep { index($_, "$name:") == 0 } lines_of('/etc/gshadow');
  return say_fields('no-group', $name, $is_shadowed ? 'shadow' : '') unless @g;
  say_fields('group', $name, $g[2], $local_group{$name} ? 'local' : '', $g[3]);
  # Members by a group of a directory service, which need not list its groups.
  if (!$local_group{$name}) { say_fields('member', $_, $name) for split / /, $g[3] }
  return unless $deleted;
  $is_group_deleted = 1;
  while (my @p = getpwent) { say_fields('primary', $name, $p[0]) if $p[3] == $g[2] }
}
sub shell {
  my ($path) = @_; my ($dir, $name) = parted($path);
  say_fields('shell', $path, enter($dir) && $other eq '' && -f $name && -x _ ? 'there' : enter($dir) && $other ne '' ? 'there' : '');
}
# A home to create: who owns it if it is there, or else who can replace the nearest directory above it.
sub home {
  my ($path, $name) = @_; my ($dir, $last) = parted($path);
  if (enter($dir) && (my @s = lstat $last)) { return say_fields('home', $path, $name, $other eq '' ? '' : "$path can be replaced by another account (owner: $other)", !S_ISDIR($s[2]) || defined getpwuid($s[4]) ? '' : $s[4]) }
  while (!enter($dir)) { return say_fields('home', $path, $name, "$held[0] $held[2]", '') if $held[2] ne 'does not exist'; ($dir) = parted($held[0]); }
  say_fields('home', $path, $name, $other eq '' ? '' : ($at eq '' ? '/' : $at) . " can be replaced by another account (owner: $other)", '');
}
while (@ARGV) {
  my $what = shift @ARGV;
  if ($what eq 'user') { user(splice @ARGV, 0, 4) }
  elsif ($what eq 'group') { group(splice @ARGV, 0, 2) }
  elsif ($what eq 'uid') { my $n = shift @ARGV; say_fields('uid', $n, getpwuid($n) // '') }
  elsif ($what eq 'gid') { my $n = shift @ARGV; say_fields('gid', $n, getgrgid($n) // '') }
  elsif ($what eq 'homeless') { my $n = shift @ARGV; say_fields('homeless', $n, home_of_deleted($n)) }
  elsif ($what eq 'shell') { shell(shift @ARGV) }
  else { home(splice @ARGV, 0, 2) }
}
say_fields('login', $login);
if ($is_login_asked || $is_group_deleted) {
  if (!$is_login_asked) { my @p = getpwnam $login; say_fields('member', $login, $_) for @p ? group_name($p[3]) : (), sort keys %{$members{$login} // {}} }
  my %grants;
  for my $file ('/etc/sudoers', glob '/etc/sudoers.d/*') { for (lines_of($file)) { $grants{$1} = 1 if /^\s*%([a-z_][a-z0-9_-]*)\s/i } }
  for my $file ('/etc/ssh/sshd_config', glob '/etc/ssh/sshd_config.d/*.conf') { for (lines_of($file)) { if (/^\s*AllowGroups[\s=]+(.*)/i) { $grants{$_} = 1 for split ' ', $1 } } }
  say_fields('grants', $_) for sort keys %grants;
}
print "end\0";
`
