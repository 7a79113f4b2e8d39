import { directory, file, type Resource, sandbox, service, settingLines, unit, user } from 'provision'
import type { Flavour, Options } from './options.ts'

const NAME = 'provision-database-health'
const SCRIPT = `/usr/local/lib/provision/database-health`

/** Account of the health service. On the server it has no grants: every account may read the state of the server. */
export const HEALTH_ACCOUNT = 'provision-health'

/** Resources of the health service, which answers the proxies. They are declared before the server. */
export const healthResources = (address: string, { health_port: port, flavour }: Options): readonly Resource[] => {
  const script = file({ path: SCRIPT, mode: '755', content: scriptText(flavour) })
  const socket = unit({
    name: `${NAME}.socket`,
    content: `# Written by provision.
[Unit]
Description=Health of the database server (socket)
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
Description=Health of the database server, for database proxies
Requires=${NAME}.socket

[Service]
ExecStart=${SCRIPT}
User=${HEALTH_ACCOUNT}
Restart=always
RestartSec=1s
${settingLines(sandbox())}
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
  ]
}

/** Seconds without progress after which a server counts as stalled. Under load, a healthy server applies something every second. */
const STALLED_S = 15

/**
 * Status 200: accepts writes and reads. 203: reads only, because it is a replica. 206: copies its data to another server, and is used only
 * if no other is healthy. 503: not in the majority, or synced but stalled. A server is stalled when write sets wait while commits, the log
 * of InnoDB and table changes make no progress; a long transaction or `ALTER TABLE` does make progress. Each proxy asks every second, so
 * one process answers all of them and keeps one client connected to the server.
 */
/**
 * The query of each flavour, in Perl: the state of the server, the number of waiting write sets, and values that change while the server
 * applies one. A server without a cluster has neither of the last two.
 */
const QUESTIONS: Readonly<Record<Flavour, string>> = {
  mariadb: String.raw`"SELECT CONCAT_WS(' ', \@\@read_only, COALESCE(" . value('WSREP_CLUSTER_STATUS') . ", ''), COALESCE(" . value('WSREP_LOCAL_STATE_COMMENT') . ", ''),"
  . " MAX(IF(VARIABLE_NAME = 'SLAVE_RUNNING' AND VARIABLE_VALUE = 'ON', 'follows', NULL))), COALESCE(" . value('WSREP_LOCAL_RECV_QUEUE') . ", 0),"
  . " CONCAT_WS(' ', " . join(', ', map { value($_) } qw(WSREP_LAST_COMMITTED INNODB_LSN_CURRENT INNODB_ONLINEDDL_PCT_PROGRESS)) . ")"
  . " FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME IN ('WSREP_CLUSTER_STATUS', 'WSREP_LOCAL_STATE_COMMENT', 'SLAVE_RUNNING',"
  . " 'WSREP_LOCAL_RECV_QUEUE', 'WSREP_LAST_COMMITTED', 'INNODB_LSN_CURRENT', 'INNODB_ONLINEDDL_PCT_PROGRESS');\n"`,
  mysql: String.raw`"SELECT CONCAT(IF(\@\@read_only, 'ON ', 'OFF '), IF((SELECT COUNT(*) FROM performance_schema.replication_connection_status WHERE SERVICE_STATE = 'ON') > 0, 'follows', '')), 0, '';\n"`,
}

const scriptText = (flavour: Flavour): string => String.raw`#!/usr/bin/perl
# Written by provision. systemd passes the socket.
use strict;
use warnings;
use IPC::Open2;
use Time::HiRes qw(time);

$SIG{PIPE} = 'IGNORE';
open(my $socket, '+<&=', 3) or die "no socket: $!";
sub value { "MAX(IF(VARIABLE_NAME = '$_[0]', VARIABLE_VALUE, NULL))" }
my $question = ${QUESTIONS[flavour]};
my ($client, $to, $from);
my ($state, $waiting, $progress, $at, $moved) = ('', 0, '', 0, time);

while (accept(my $proxy, $socket)) {
  # Reads the whole request first: closing a socket with unread data would discard the answer.
  next unless defined line_of($proxy, 1, qr/\r?\n\r?\n/);
  observe() if time - $at > 0.3;
  my $stalled = time - $moved;
  # A server without a cluster reports Disconnected.
  my $status = $state eq 'OFF Primary Synced' && $stalled > ${STALLED_S} ? '503 Service Unavailable' : $state =~ /^ON .*follows$/ ? '203 Non-Authoritative Information' : $state =~ /^OFF (Primary Synced|Disconnected .*|)$/ ? '200 OK' : $state eq 'OFF Primary Donor/Desynced' ? '206 Partial Content' : '503 Service Unavailable';
  syswrite($proxy, "HTTP/1.0 $status\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n" . ($state || 'does not answer') . ($stalled > ${STALLED_S} ? sprintf(', and has applied nothing for %d s while %d write sets wait', $stalled, $waiting) : '') . "\n");
}

sub observe {
  my $before = $progress;
  ($state, $waiting, $progress) = (split(/\t/, state_of_server()), '', 0, '');
  $at = time;
  $moved = $at if !$waiting || $progress ne $before;
}

# One client stays connected, because a new one for every request would cost more than the answers.
sub state_of_server {
  my $begun = time;
  # A restarted server needs a new client. A silent server is not asked twice.
  for my $try (1, 2) {
    last if time - $begun > 1;
    $client ||= open2($from, $to, qw(${flavour} --no-defaults --socket=/run/mysqld/mysqld.sock --local-infile=0 --connect-timeout=2 -NB --unbuffered));
    my $answer = syswrite($to, $question) ? line_of($from, 2, qr/\n/) : undef;
    return $answer =~ s/\n.*//sr if defined $answer;
    kill KILL => $client;
    waitpid($client, 0);
    $client = 0;
  }
  return '';
}

# Returns the text up to the pattern, or undef if it does not arrive within so many seconds.
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
