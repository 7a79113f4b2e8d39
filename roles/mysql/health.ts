import { databaseAccount, directory, file, type Resource, service, unit, user } from 'provision'
import type { Cast } from './options.ts'

const NAME = 'provision-database-health'
const SCRIPT = `/usr/local/lib/provision/database-health`

/** The account that may see how a server stands, and nothing else. */
export const HEALTH_ACCOUNT = 'provision-health'

/** Before the server runs: who answers the proxies, and how. */
export const healthResources = (address: string, port: number): readonly Resource[] => {
  const script = file({ path: SCRIPT, mode: '755', content: SCRIPT_TEXT })
  const socket = unit({
    name: `${NAME}.socket`,
    content: `# Written by provision.
[Unit]
Description=Where the proxies of applications ask how the database server stands
Wants=network-online.target
After=network-online.target

[Socket]
ListenStream=${address}:${port}
FreeBind=yes

[Install]
WantedBy=sockets.target
`,
  })
  const answers = unit({
    name: `${NAME}.service`,
    content: `# Written by provision.
[Unit]
Description=How the database server stands, for the proxies of applications
Requires=${NAME}.socket

[Service]
ExecStart=${SCRIPT}
User=${HEALTH_ACCOUNT}
Restart=always
RestartSec=1s
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
CapabilityBoundingSet=

[Install]
WantedBy=multi-user.target
`,
  })
  return [
    user({ name: HEALTH_ACCOUNT, system: true, home: '/nonexistent' }),
    directory({ path: '/usr/local/lib/provision' }),
    script,
    answers,
    socket,
    service({ unit: `${NAME}.socket`, restarts: [socket], reload: 'restart' }),
    service({ unit: `${NAME}.service`, restarts: [answers, script], reload: 'restart' }),
  ] as readonly Resource[]
}

/** In the server: its account. It has no grants: how a server stands, everybody may ask. */
export const healthAccount = (cast: Cast, me: string): Resource =>
  databaseAccount({ user: HEALTH_ACCOUNT, host: 'localhost', me, servers: [...cast.told] }) as Resource

/**
 * 200: writes and reads are welcome. 203: reads are, for it follows another one. 206: it is busy giving its data to another, and serves when nobody else does. 503: it is no part
 * of the majority. Each proxy asks every second, so one process answers them all, and its one client of the server stays connected.
 */
const SCRIPT_TEXT = String.raw`#!/usr/bin/perl
# Written by provision. systemd hands over the socket.
use strict;
use warnings;
use IPC::Open2;
use Time::HiRes qw(time);

$SIG{PIPE} = 'IGNORE';
open(my $socket, '+<&=', 3) or die "no socket: $!";
my $question = "SELECT CONCAT_WS(' ', \@\@read_only,"
  . " COALESCE((SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'WSREP_CLUSTER_STATUS'), ''),"
  . " COALESCE((SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'WSREP_LOCAL_STATE_COMMENT'), ''),"
  . " (SELECT 'follows' FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'SLAVE_RUNNING' AND VARIABLE_VALUE = 'ON'));\n";
my ($client, $to, $from);
my ($said, $at) = ('', 0);

while (accept(my $proxy, $socket)) {
  # The whole question must have come, or closing would take the answer back.
  next unless defined line_of($proxy, 1, qr/\r?\n\r?\n/);
  ($said, $at) = (state_of_server(), time) if time - $at > 0.3;
  # A server without a cluster says Disconnected.
  my $status = $said =~ /^ON .*follows$/ ? '203 Non-Authoritative Information' : $said =~ /^OFF (Primary Synced|Disconnected .*|)$/ ? '200 OK' : $said eq 'OFF Primary Donor/Desynced' ? '206 Partial Content' : '503 Service Unavailable';
  syswrite($proxy, "HTTP/1.0 $status\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n" . ($said || 'does not answer') . "\n");
}

# One client stays connected: a new one for every question would cost more than all answers.
sub state_of_server {
  my $begun = time;
  # A server that was restarted has forgotten its client; one that is silent is not asked twice.
  for my $try (1, 2) {
    last if time - $begun > 1;
    $client ||= open2($from, $to, qw(mariadb --no-defaults --socket=/run/mysqld/mysqld.sock -NB --unbuffered));
    my $answer = syswrite($to, $question) ? line_of($from, 2, qr/\n/) : undef;
    return $answer =~ s/\n.*//sr if defined $answer;
    kill KILL => $client;
    waitpid($client, 0);
    $client = 0;
  }
  return '';
}

# What comes until the pattern; undefined when it does not come within so many seconds.
sub line_of {
  my ($handle, $seconds, $end) = @_;
  my ($text, $until) = ('', time + $seconds);
  while ($text !~ $end) {
    my $left = $until - time;
    my $ready = '';
    vec($ready, fileno($handle), 1) = 1;
    return undef if $left <= 0 || length($text) > 8192 || select($ready, undef, undef, $left) < 1;
    sysread($handle, $text, 4096, length $text) or return undef;
  }
  return $text;
}
`
