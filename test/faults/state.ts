import type { LabSpec } from '../../src/lab/index.ts'
import { manifestOf } from '../../src/resource/fetched/manifest.ts'
import { inside } from '../e2e/support/interrupt.ts'
import { overlay } from '../e2e/support/lab.ts'

/** State of a host: every file that differs from its image, and its processes. Equal after equal runs. */
export type State = ReadonlyMap<string, string>

const CHECKOUT = '/srv/checkout'

/** Files in which Debian records times and counters, or keeps an earlier state. */
const DIARIES = [
  /^\/var\/log(\/|$)/,
  /^\/var\/cache(\/|$)/,
  /^\/var\/backups(\/|$)/,
  /^\/var\/lib\/apt\//,
  /^\/var\/lib\/systemd\//,
  // dpkg itself is queried: installed packages, unfinished ones, its journal. It may keep a name or an empty list of removed packages.
  /^\/var\/lib\/dpkg(\/|$)/,
  /^\/etc\/(passwd|shadow|group|gshadow|subuid|subgid)-$/,
  /^\/etc\/(.*\.lock|\.pwd\.lock|ld\.so\.cache)$/,
  /^\/var\/tmp\/systemd-private-|^\/tmp\/systemd-private-/,
  /^\/var\/lib\/(nginx|haproxy|logrotate|private|chrony|ucf)(\/|$)/,
  /^\/run(\/|$)/,
  // git is queried. Its own files, and the manifest, have times.
  new RegExp(`^(${CHECKOUT}/\\.git/.*|/srv/origin/.*|${manifestOf(CHECKOUT)})$`),
  // Measurements, and results of the last check.
  /^\/var\/lib\/(prometheus|provision\/checks)(\/|$)/,
  // podman's own, made when it first looks at its images.
  /^\/var\/lib\/(containers|cni)(\/|$)/,
  // Contents of databases and members of clusters are queried from the servers.
  /^\/var\/lib\/mysql(\/|$)/,
  /^\/var\/lib\/garbd\/gvwstate\.dat$/,
]

/** Files that differ in every run: keys, certificates, and their digests. They are checked separately. */
const MADE_ANEW = /\.pem(\.key)?$|^\/etc\/ssl\//

/** Returns the state of a running host, without times and regenerated files. `more` has additional queries. */
export const stateOf = async (spec: LabSpec, host: string, more = ''): Promise<State> => {
  const isDiary = (path: string): boolean => DIARIES.some((diary) => diary.test(path))
  const files = [...overlay(spec, host, (path) => !isDiary(path))].map(([path, is]): [string, string] => [
    path,
    MADE_ANEW.test(path) ? is.replace(/[0-9a-f]{64}$/, 'made') : is,
  ])
  const said = await inside(spec, host, `${LOOK}\n${more}\n:`)
  const parts = said.split(/^== /m).slice(1)
  return new Map([
    ...files,
    ...parts.map((part): [string, string] => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1)]),
  ])
}

const LOOK = `set +e; export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
echo '== packages'; dpkg-query -W -f '\${Package} \${Version} \${Status}\\n' | grep -v 'config-files$'; dpkg --audit; ls /var/lib/dpkg/updates | grep '^[0-9]'
echo '== users'; getent passwd; getent group
echo '== units enabled'; systemctl list-unit-files --state=enabled,disabled,masked --plain --no-legend --no-pager
echo '== units failed'; systemctl list-units --state=failed --plain --no-legend --no-pager
echo '== units active'; systemctl list-units --state=active,activating --type=service,socket,path --plain --no-legend --no-pager | while read -r u r; do case $u in user@*|user-*|session-*|provision-*-*|systemd-*|apt-*|dpkg-*|man-db*|getty*|run-*|e2scrub*|provision-checks.service|ldconfig.service) ;; *) echo "$u";; esac; done | sort
echo '== units stale'; for u in /etc/systemd/system/*.service; do u=\${u##*/}; [ "$(systemctl show -P NeedDaemonReload "$u")" = no ] || echo "$u"; done
echo '== loaded'; for f in /run/provision/loaded/*; do [ -e "$f" ] || continue; echo "\${f##*/}"; [ "$(head -n 1 "$f")" = "$(systemctl show -P StateChangeTimestampMonotonic "\${f##*/}")" ] || echo 'its stamp is void'; tail -n +2 "$f" | grep -v '[.]pem' | sort; done
echo '== nftables'; nft -s -t list ruleset 2>/dev/null
echo '== sshd'; sshd -T | sort; grep -c sshd_config.d /proc/1/mountinfo
echo '== left over'
ls -d /run/provision.[0-9]* /run/provision-git /var/cache/provision-fetch /var/lib/provision/trees/*.?*.* /var/lib/provision/staged /var/lib/provision/undo/* /var/lib/provision/drained/* /usr/sbin/policy-rc.d* /run/systemd/system-preset/00-provision.preset 2>/dev/null
find /etc /srv /var/www /var/lib/provision /run/provision /home /usr/local \\( -name '*provision-new*' -o -name '*.provision-tree' -o -name '*.new' -o -name '.new' -o -name '*.pending.*' -o -name '*.confirmed.*' -o -name '*.undoing.*' -o -name '*.live.?*' \\) 2>/dev/null
ls -A /tmp | grep -v '^systemd-private'
flock -n /run/provision.lock true || echo 'the lock is held'`

/** Returns the differences as text: `/etc/x: was A, is B`. */
export const differences = (want: State, is: State): readonly string[] =>
  [...new Set([...want.keys(), ...is.keys()])]
    .filter((key) => want.get(key) !== is.get(key))
    .map((key) => `${key}: ${shortly(want.get(key), is.get(key))}`)

const shortly = (want: string | undefined, is: string | undefined): string => {
  if (want === undefined) return `is there (${is})`
  if (is === undefined) return 'is missing'
  const [wanted, found] = [want.split('\n'), is.split('\n')]
  return [
    ...wanted.filter((line) => !found.includes(line)).map((line) => `-${line}`),
    ...found.filter((line) => !wanted.includes(line)).map((line) => `+${line}`),
  ]
    .slice(0, 6)
    .join(' ')
}
