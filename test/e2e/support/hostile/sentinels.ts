import type { Root } from './root.ts'

/** Begins every secret that only root may read. */
export const MARK = 'K7sentinel'

/** Files and directories that no account but root and `victim` may touch. */
const FILES = ['/etc/shadow', '/etc/passwd', '/etc/sudoers', '/root/.ssh/authorized_keys', '/root/secret', '/home/victim/private/secret']
const DIRECTORIES = ['/root', '/etc/cron.d', '/etc/systemd/system', '/usr/local/sbin', '/home/victim/private', '/var/lib/provision']

/** Creates the sentinels. */
export const plant = (root: Root): Promise<string> =>
  root(`umask 077
getent passwd victim >/dev/null || useradd -m -p '!${MARK}-shadow' victim
mkdir -p /root/.ssh /home/victim/private
echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ/LMZhCtfW8cBGGJhmlfUfVYDdiX08PBo+cxJAJjF4C ${MARK}-key' >>/root/.ssh/authorized_keys
echo ${MARK}-root >/root/secret; echo ${MARK}-victim >/home/victim/private/secret
chown -R victim:victim /home/victim/private`)

/** The goal of an attack on one path: see `Scene`. `above` is a script that runs in the directory that stands for the parent. */
export const foreignScript = (foreign: string, base: string, above = ''): string => `umask 077
mkdir -p -m 755 ${foreign}; mkdir -p ${foreign}/dir ${foreign}/above
cd ${foreign}/above
${above}
cd /
umask 077
for d in . dir above; do for f in file authorized_keys abc backup-2026 ${base}; do
  [ -e "${foreign}/$d/$f" ] || echo "${MARK}-$d-$f" >"${foreign}/$d/$f"
done; done`

/** Shell that an account runs: tries to open each sentinel and prints those that it can open. Changes nothing. */
export const attemptsScript = (foreign: readonly string[]): string => `
for f in ${[...FILES, ...foreign.flatMap((one) => [`${one}/file`, `${one}/dir/file`])].join(' ')}; do
  head -c 1 "$f" >/dev/null 2>&1 && echo "reads $f"
  (: >>"$f") 2>/dev/null && echo "writes $f"
done
for d in ${[...DIRECTORIES, ...foreign.flatMap((one) => [`${one}/dir`, `${one}/above`])].join(' ')}; do
  (: >"$d/.attempt") 2>/dev/null && { rm -f "$d/.attempt"; echo "creates in $d"; }
done; :`

/**
 * Perl that looks at the arguments and the environment of all processes without end. It writes down lines with a secret. Argument:
 * its file.
 */
export const WATCH = `my $mark = join "", "K7", "sentinel"; open my $out, ">>", $ARGV[0] or die; select $out; $| = 1; alarm 200; $/ = undef;
while (1) { for my $p (glob "/proc/[0-9]*") { for my $f ("cmdline", "environ") {
  open my $in, "<", "$p/$f" or next; my $said = <$in>; defined $said && $said =~ /($mark[-\\w]*)/ and print "$p/$f $1\\n" } } }`
