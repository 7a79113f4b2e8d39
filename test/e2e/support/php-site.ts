/** A site of the role nginx that PHP answers, as lines of the inventory. */
export const PHP_SITE = `          - name: pages
            hosts: [pages.test]
            health: /alive
            body_max: 8m
            app: { runtime: php, source: pages, environment: { GREETING: '"hello"' }, php: { extensions: [mbstring], settings: { memory_limit: 64M } } }
`

/** The same site, which a program in Perl answers. */
export const PERL_SITE = `          - name: pages
            hosts: [pages.test]
            app: { source: pages, command: /usr/bin/perl serve.pl, port: 7300 }
`

/** Its files in the project. */
export const PHP_FILES: Readonly<Record<string, string>> = {
  'pages/public/index.php': `<?php
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($path === '/alive') exit('alive');
if ($path === '/slow') usleep(200000);
if ($path === '/upload') {
  $to = getenv('STATE_DIRECTORY') . '/file';
  move_uploaded_file($_FILES['file']['tmp_name'], $to);
  exit('stored ' . filesize($to));
}
if ($path === '/count') {
  session_start();
  exit('visit ' . ($_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1));
}
require dirname(__DIR__) . '/lib/greet.php';
echo 'first edition of ', $_SERVER['REQUEST_URI'], ' says ', greet(), ' over ', $_SERVER['HTTPS'] ?? 'http', ' in ', mb_strtolower($path);
`,
  'pages/serve.pl': `use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $ENV{PORT}, Listen => 9, ReuseAddr => 1) or die $!;
while (my $client = $server->accept) {
  while (<$client>) { last if /^\\r?\\n/ }
  print $client "HTTP/1.0 200 OK\\r\\nContent-Length: 9\\r\\n\\r\\nfrom Perl";
  close $client;
}
`,
  'pages/public/style.css': 'body {}\n',
  'pages/public/admin/index.php': '<?php echo "administration";\n',
  'pages/public/admin/tool.php': '<?php echo "a tool";\n',
  'pages/lib/greet.php': '<?php function greet() { return getenv("GREETING"); }\n',
}
