/** A site of the role nginx that PHP answers, as lines of the inventory. */
export const PHP_SITE = `          - name: pages
            hosts: [pages.test]
            health: /alive
            body_max: 8m
            app: { runtime: php, source: pages, environment: { GREETING: '"hello"' }, php: { extensions: [mbstring], settings: { memory_limit: 64M } } }
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
  'pages/public/style.css': 'body {}\n',
  'pages/public/admin/index.php': '<?php echo "administration";\n',
  'pages/public/admin/tool.php': '<?php echo "a tool";\n',
  'pages/lib/greet.php': '<?php function greet() { return getenv("GREETING"); }\n',
}
