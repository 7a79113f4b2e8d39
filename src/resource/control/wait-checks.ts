import type { Script } from '../../shell/script.ts'
import { hereDocument, sh } from '../../shell/sh.ts'
import { HOLDS } from './ask.ts'

/** What is asked of a network, and the position of the resource that asks. */
export interface PortCheck {
  readonly at: number
  readonly address: string
  readonly port: number
}

export interface UrlCheck {
  readonly at: number
  readonly url: string
  readonly status: number
  readonly text?: string | undefined
}

export interface ConditionCheck {
  readonly at: number
  readonly condition: string
}

/** Prints `INDEX yes` or `INDEX no WORDS` for each port. One program for all, which waits two seconds at most for all that do not answer. */
const PORTS = String.raw`use Socket qw(:DEFAULT :addrinfo inet_pton); use Fcntl; use Errno qw(EINPROGRESS);
my (%open, $bits); my $until = time + 2;
sub say_of { my ($at, $error) = @_; print $error ? "$at no $error\n" : "$at yes\n" }
while (my ($at, $address, $port) = splice @ARGV, 0, 3) {
  my $v6 = $address =~ /:/; my $raw = inet_pton($v6 ? AF_INET6 : AF_INET, $address);
  my $name = $v6 ? pack_sockaddr_in6($port, $raw) : pack_sockaddr_in($port, $raw);
  my $s; socket($s, $v6 ? PF_INET6 : PF_INET, SOCK_STREAM, 0) && fcntl($s, F_SETFL, O_NONBLOCK) or do { say_of($at, $!); next };
  if (connect $s, $name) { say_of($at, '') } elsif ($! == EINPROGRESS) { $open{fileno $s} = [$at, $s] } else { say_of($at, $!) }
}
while (%open && time <= $until) {
  $bits = ''; vec($bits, $_, 1) = 1 for keys %open;
  last if select(undef, my $ready = $bits, undef, 2) <= 0;
  for my $fd (keys %open) { vec($ready, $fd, 1) or next; my ($at, $s) = @{delete $open{$fd}}; $! = unpack 'i', getsockopt($s, SOL_SOCKET, SO_ERROR); say_of($at, $!) }
}
say_of($_->[0], 'no answer within 2 s') for values %open;
`

/** A script that asks everything at once: one program for all ports, one for all URLs, a subshell for each condition. */
export const checkScript = (ports: readonly PortCheck[], urls: readonly UrlCheck[], conditions: readonly ConditionCheck[]): Script =>
  sh`${[
    ...(ports.length === 0 ? [] : [sh`perl -e ${PORTS} -- ${ports.flatMap(({ at, address, port }) => [at, address, port])}`]),
    ...(urls.length === 0 ? [] : [urlScript(urls)]),
    ...(conditions.length === 0 ? [] : [conditionScript(conditions)]),
  ]}`

const urlScript = (urls: readonly UrlCheck[]): Script => {
  const config = urls
    .map(
      ({ at, url }) =>
        `url = ${JSON.stringify(url)}\noutput = "wait-${at}"\nwrite-out = "%{http_code}\\n%{stderr}"\nmax-time = 5\nmax-filesize = 1048576`,
    )
    .map((part, i) => part.replace('write-out = "', `write-out = "${urls[i]?.at} `))
    .join('\nnext\n')
  return sh`if command -v curl >/dev/null; then
cd "$T" || exit 1
curl -q -s -Z -K - >wait-codes 2>/dev/null ${hereDocument(config)}
: >>wait-codes
${urls.map(({ at, status, text }) => {
  const found = text === undefined ? sh`:` : sh`grep -qsF -e ${text} -- wait-${at}`
  return sh`code=000; while read -r place got; do [ "$place" != ${at} ] || code=$got; done <wait-codes
if [ "$code" = 000 ]; then echo ${at} no no answer; elif [ "$code" != ${status} ]; then echo ${at} no status "$code"
elif ! ${found}; then echo ${at} no no such text; else echo ${at} yes; fi; rm -f wait-${at}`
})}
rm -f wait-codes
else
${urls.map(({ at }) => sh`echo ${at} no no curl`)}
fi`
}

const conditionScript = (conditions: readonly ConditionCheck[]): Script => {
  const program = sh`${HOLDS}
reply() {
  case $? in 0) echo "$1 yes" ;; 1) echo "$1 no" ;; *) printf '%s no %s\\n' "$1" "$(printf '%s' "$said" | tr -c '[:print:]' ' ' | head -c 300)" ;; esac
}
${conditions.map(({ at, condition }) => sh`holds / ${condition}; reply ${at}`)}`
  return sh`timeout -k 5 30 sh -c '. /dev/fd/3' 3${hereDocument(String(program))}
[ $? = 0 ] || [ $? = 124 ] || [ $? = 137 ]`
}

/** Reads the answers: an empty text if it holds, otherwise why not. By position. */
export const readChecks = (stdout: string): ReadonlyMap<number, string> =>
  new Map(
    [...stdout.matchAll(/^(\d+) (yes|no)(?: (.*))?$/gm)].map(([, at, holds, words = '']) => [
      Number(at),
      holds === 'yes' ? '' : words || 'it does not hold',
    ]),
  )
