/** A web server for lab hosts, which have nothing but Perl: it answers every request with the last part of the path, at 127.0.0.1. */
export const PORT = 7080

const PROGRAM = `use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => ${PORT}, Listen => 9, ReuseAddr => 1) or die;
while (my $client = $server->accept) {
  my ($name) = <$client> =~ m{([^/ ]*) HTTP};
  while (<$client> =~ /\\S/) { }
  print $client "HTTP/1.0 200 OK\\r\\nContent-Length: ", length $name, "\\r\\n\\r\\n$name";
}`

/** Starts it as root, unless it runs. */
export const START_WEB_SERVER = `systemctl is-active -q web || systemd-run -q --unit=web perl -e '${PROGRAM}'`
