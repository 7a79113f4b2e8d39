import type { Script } from '../../../shell/script.ts'
import { sh } from '../../../shell/sh.ts'
import { PING } from './fpm.ts'

/** Perl: sends a GET request in FastCGI, and prints the status of the response. */
const ASK = String.raw`use Socket; use Cwd 'abs_path';
my ($socket, $root, $uri, $host) = @ARGV;
$root = abs_path($root) // '/nonexistent' if $root ne '';
alarm 5;
socket(my $s, AF_UNIX, SOCK_STREAM, 0) or exit 1;
connect($s, sockaddr_un($socket)) or exit 1;
my ($path, $query) = split /\?/, $uri, 2;
my $script = $root eq '' || $path =~ /\.php\z/ && -f "$root$path" ? $path : '/index.php';
my %given = (REQUEST_METHOD => 'GET', REQUEST_URI => $uri, QUERY_STRING => $query // '', SCRIPT_NAME => $script,
  SCRIPT_FILENAME => "$root$script", DOCUMENT_ROOT => $root, SERVER_PROTOCOL => 'HTTP/1.1', GATEWAY_INTERFACE => 'CGI/1.1',
  HTTP_HOST => $host, SERVER_NAME => $host, REMOTE_ADDR => '127.0.0.1', REDIRECT_STATUS => 200, HTTPS => 'on');
sub record { my ($type, $content) = @_; pack('CCnnCC', 1, $type, 1, length $content, 0, 0) . $content }
my $params = join '', map { pack('NN', map { length() | 0x80000000 } $_, $given{$_}) . $_ . $given{$_} } sort keys %given;
syswrite $s, record(1, pack 'nCx5', 1, 0) . record(4, $params) . record(4, '') . record(5, '');
my $answer = '';
while (length $answer < 65536 && (read($s, my $head, 8) // 0) == 8) {
  my (undef, $type, undef, $length, $padding) = unpack 'CCnnC', $head;
  (read($s, my $content, $length + $padding) // 0) == $length + $padding or last;
  $answer .= substr $content, 0, $length if $type == 6;
  last if $type == 3;
}
print $answer eq '' ? '' : $answer =~ /\A(?:[^\r\n]+\r?\n)*?Status: (\d+)/i ? $1 : 200;
`

/** Where PHP answers, and the request that it must answer. */
export interface PhpHealth {
  readonly socket: string
  readonly root: string
  /** Path that must answer without an error; default: PHP itself answers. */
  readonly path?: string | undefined
  readonly host?: string | undefined
  readonly seconds: number
}

/** Script for `took` and checks: waits until PHP answers its health path with status 200 to 399. */
export const phpAnswering = ({ socket, root, path, host = 'localhost', seconds }: PhpHealth): Script => sh`
end=$(($(date +%s)+${seconds})); until status=$(timeout 10 perl -e ${ASK} -- ${socket} ${path === undefined ? '' : root} ${path ?? PING} ${host} 2>/dev/null); case $status in [23]??) ;; *) false ;; esac; do
  [ "$(date +%s)" -lt "$end" ] || { printf 'PHP answers GET %s with %s\\n' ${path ?? PING} "\${status:-nothing}"; exit 1; }
  sleep 0.1
done`
