import type { Software } from './release.ts'

/**
 * Command that checks a configuration beside the running server, as the account postgres: the server starts with it in an empty directory,
 * without a network, with little memory. Root opens the candidate, which no other account can read.
 */
export const configCheck = ({ programs }: Software): readonly string[] => [
  'sh',
  '-c',
  'setpriv --reuid=postgres --regid=postgres --init-groups sh -c "$1" <"$0"',
  '%s',
  `umask 077; cd /; export LC_ALL=C.UTF-8; d=$(mktemp -d) || exit 1; trap 'rm -rf "$d"' EXIT
cat >"$d/postgresql.conf"
${programs}/initdb --no-sync --auth=peer -D "$d/data" >"$d/log" 2>&1 || { tail -n 5 "$d/log" >&2; exit 1; }
timeout -k 5 60 ${programs}/postgres --single -D "$d/data" -c config_file="$d/postgresql.conf" -c data_directory="$d/data" \\
  -c shared_buffers=16MB postgres >"$d/log" 2>&1 </dev/null || { tail -n 5 "$d/log" >&2; exit 1; }`,
]
