import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'

/**
 * The data directory belongs to the account mysql, which can create a link, a FIFO or an endless file at any path below it. Root therefore
 * only lists names there, with builtins of the shell.
 */

/** Prefix of a command that runs as the account mysql. */
export const SETPRIV = sh`setpriv --reuid=mysql --regid=mysql --init-groups --no-new-privs`

/**
 * Prints the beginning of a file of the data directory as the account mysql; nothing if the file is missing. Fails if it is not a
 * regular file. One process that changes its account and runs no other program: mysql can neither trace it nor take its descriptors.
 * @param show - Perl that prints a part of `$b`, which holds up to 4096 bytes
 */
export const readAsMysql = (path: Script, show = 'print $b'): Script =>
  sh`perl -MFcntl -e ${`alarm 20; my ($u, $g) = (getpwnam "mysql")[2, 3]; exit if !$u; $) = "$g $g"; $( = $g; ($<, $>) = ($u, $u); die "cannot act as the account mysql" if $< != $u || $> != $u || $) + 0 != $g;
if (!sysopen F, $ARGV[0], O_RDONLY | O_NONBLOCK | O_NOFOLLOW) { exit if $!{ENOENT}; die "$ARGV[0], as the account mysql: $!\\n" } -f F or die "$ARGV[0] of the account mysql is not a regular file\\n"; defined sysread F, $b, 4096 or die "$ARGV[0], as the account mysql: $!\\n"; ${show};`} ${path} </dev/null 9>&-`

/**
 * Defines `as_mysql SECONDS SCRIPT`: runs a script as the account mysql, with its output (at most 64 KB) in `$output` and its exit
 * status as its own. The script gets neither the lock nor the channel to the controller, which other processes of mysql could take over.
 */
export const DEFINE_AS_MYSQL = sh`as_mysql() {
  output=$({ timeout -k 5 "$1" ${SETPRIV} sh -c "$2" 2>&1 </dev/null 9>&-; echo $? >"$T/c"; } | head -c 65536)
  read -r c <"$T/c"; return "$c"
}`

/** A command for scripts with `DEFINE_AS_MYSQL`. It prints nothing if it succeeds. */
export const asMysql = (script: Script, seconds = 60): Script =>
  sh`{ as_mysql ${seconds} ${String(script)} || { printf '%s\\n' "$output" >&2; false; }; }`
