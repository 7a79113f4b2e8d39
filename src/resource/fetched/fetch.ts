import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { type Answer, HostRefusal, outputExcerpt, type RefusedBatch } from '../kind/step.ts'
import { machineOf, type Source } from './source.ts'

/**
 * Working directory of a transfer, on a disk. Account `_apt`, which transfers, can enter it, unlike /var/lib/provision. The start of each run
 * deletes what a killed run left.
 */
export const FETCH_DIRECTORY = '/var/cache/provision-fetch'

/** Exit status of a script that could not fetch its file. */
export const NOT_FETCHED = 72

/**
 * Fetches a file with the helper of apt, which every Debian and Ubuntu has: a bare host has neither curl nor wget. It transfers as the
 * account `_apt`, verifies TLS and the sum, and refuses a redirection from https to http. Root takes the file from the directory before it
 * reads it, and the caller compares the sum of its own copy: `_apt` might still have the file open. A password arrives on standard input.
 * Afterwards the file is `$work/got/file`.
 */
export const fetchScript = ({ url, sha256, maxBytes, proxy }: Source): Script => sh`set -u; umask 077
work=${FETCH_DIRECTORY}
rm -rf "$work" && mkdir -m 711 "$work" && mkdir "$work/got" && cat >"$work/netrc" && chown _apt "$work/got" || exit
trap 'rm -rf "$work"' EXIT
( ulimit -f ${Math.ceil(maxBytes / 512)}
exec /usr/lib/apt/apt-helper ${optionsOf(url, proxy)} -o Dir::Etc::netrc="$work/netrc" download-file ${url} "$work/got/file" ${`SHA256:${sha256}`}
) >"$work/log" 2>&1 </dev/null
status=$?
chown root: "$work/got" || exit
if [ "$status" != 0 ]; then
  grep -qs 'signal 25' "$work/log" && echo ${`the server sends more than ${maxBytes} bytes`} >&2 || sed -n '/^E: Failed/,$p' "$work/log" | grep -vx 'E: Download Failed' >&2 || tail -n 5 "$work/log" >&2
  exit ${NOT_FETCHED}
fi
[ -f "$work/got/file" ] && [ ! -L "$work/got/file" ] || { echo 'apt stored no regular file' >&2; exit ${NOT_FETCHED}; }`

/** Options of apt, for all hosts and for this one: settings of the host cannot switch the verification off, and its own passwords are not sent. */
const optionsOf = (url: string, proxy: string | undefined): readonly string[] => {
  const { hostname } = new URL(url)
  const verified = ['Acquire::https', `Acquire::https::${hostname}`].flatMap((scope) => [
    `${scope}::Verify-Peer=true`,
    `${scope}::Verify-Host=true`,
  ])
  const through = proxy === 'none' ? 'DIRECT' : proxy
  const proxies = ['http', 'https'].flatMap((scheme) => [`Acquire::${scheme}::Proxy`, `Acquire::${scheme}::Proxy::${hostname}`])
  return [
    ...['Dir::Etc::netrcparts=/dev/null', 'Acquire::Retries=2', ...verified],
    ...(through === undefined ? [] : proxies.map((name) => `${name}=${through}`)),
  ].flatMap((option) => ['-o', option])
}

/** Standard input of `fetchScript`: the password for apt, or nothing. */
export const fetchInput = ({ url, user, password }: Source): Uint8Array =>
  Buffer.from(user === undefined || password === undefined ? '' : `machine ${machineOf(url)} login ${user} password ${password.reveal()}\n`)

/** Throws a `HostRefusal` if the file was not fetched, with a fix for the cause that apt or the controller named. */
export const requireFetched = ({ code, stderr }: Answer, what: string, batch: RefusedBatch): void => {
  if (code === NOT_FETCHED) throw new HostRefusal(what, outputExcerpt(stderr), fixOf(stderr), batch)
}

const CAUSES: readonly (readonly [pattern: RegExp, fix: string])[] = [
  [/sum mismatch|another sum/i, 'compare sha256 with the sum that the publisher names; nothing was installed'],
  [/certificate/i, 'declare the package ca-certificates before it, or trust the authority of the server on the machine that fetches'],
  [/sends more than/, 'raise maxBytes if the file may be this large'],
  [/(?: {2}|answered )40[13]\b/, 'set user and password, or correct them'],
  [/(?: {2}|answered )(?:404|410)\b/, 'correct the URL'],
  [/redirect/i, 'use the URL that the redirection leads to, if it is right'],
]

const fixOf = (why: string): string =>
  CAUSES.find(([pattern]) => pattern.test(why))?.[1] ??
  'check that the machine reaches the server, or set proxy (none: not by the proxy of apt); then run again'
