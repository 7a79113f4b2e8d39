import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type LabSpec, labDown, labReset } from '../../src/lab/index.ts'
import { MARIADB } from '../../src/resource/database/client.ts'
import { asMysql, DEFINE_AS_MYSQL } from '../../src/resource/database/files.ts'
import { DEFINE_DATA } from '../../src/resource/database/mariadb.ts'
import { SAFE_TO_BOOTSTRAP } from '../../src/resource/galera/apply.ts'
import { unreplicated } from '../../src/resource/replication/unreplicated.ts'
import { quote } from '../../src/shell/quote.ts'
import { sql } from '../e2e/support/database/database.ts'
import { replicaLab, writeReplicaSite } from '../e2e/support/database/replicas.ts'
import { inside } from '../e2e/support/interrupt.ts'
import { onDebian12 } from '../e2e/support/lab.ts'
import { referenceProject } from '../e2e/support/project.ts'
import { type TestHost, testHost } from '../e2e/support/test-host.ts'

// The account mysql attacks root, which works in its directories.

const AS_MYSQL = 'setpriv --reuid=mysql --regid=mysql --init-groups'

/** A server that requests a file from each client (LOCAL INFILE), or never answers. */
const ROGUE = String.raw`use strict; use IO::Socket::UNIX; use Socket;
my ($path, $file) = @ARGV; unlink $path;
my $listen = IO::Socket::UNIX->new(Local => $path, Listen => 5, Type => SOCK_STREAM) or die $!;
chmod 0777, $path; $SIG{PIPE} = 'IGNORE'; open my $log, '>', '/tmp/rogue.log' or die; $log->autoflush(1);
sub put { my ($to, $n, $bytes) = @_; syswrite $to, substr(pack('V', length $bytes), 0, 3) . chr($n) . $bytes }
sub bytes { my ($from, $want) = @_; my $text = ''; while (length $text < $want) { sysread($from, $text, $want - length $text, length $text) or return } $text }
sub take { my ($from) = @_; my $head = bytes($from, 4) // return; bytes($from, unpack('V', substr($head, 0, 3) . "\0")) }
while (my $client = $listen->accept) {
  if ($file eq '') { push @ARGV, $client; next }
  put($client, 0, "\x0a5.5.5-10.11.19-MariaDB\0" . pack('V', 7) . "abcdefgh\0" . pack('v', 0xf7ff & ~0x0800) . "\x08" . pack('v', 2) . pack('v', 0x81ff) . chr(21) . ("\0" x 10) . "ijklmnopqrst\0mysql_native_password\0");
  defined take($client) or next; put($client, 2, "\0\0\0\2\0\0\0");
  while (defined(my $question = take($client))) {
    last if ord($question) == 1; print $log 'asked: ', substr($question, 1, 60) =~ s/\n/ /gr, "\n";
    if ($question =~ /^.SET /) { put($client, 1, "\0\0\0\2\0\0\0"); next }
    put($client, 1, "\xfb$file");
    my $got = take($client); last if !defined $got; print $log 'got: ', length $got, "\n" if length $got; take($client) if length $got; put($client, 4, "\0\0\0\2\0\0\0");
  }
}
`

describe('a special file in the data directory', () => {
  let host: TestHost
  const FILE = '/var/lib/mysql/master.info'
  const servers = [{ host: 'host-01', address: '10.0.0.1' }]
  const alone = unreplicated({ name: 'database', me: 'host-01', servers, yielding: ['host-01'] })
  beforeAll(async () => {
    host = await testHost('t-first-file', '10.79.116')
    await host.run('useradd --system mysql; install -d -o mysql -g mysql /var/lib/mysql')
  })
  afterAll(() => host.down())

  const plant = (what: string): Promise<string> => host.run(`cd /var/lib/mysql; rm -rf -- * .[!.]*; ${AS_MYSQL} sh -c ${quote(what)}`)

  it('is read if it is a regular file, for any replication source', async () => {
    await plant(`printf '18\\nlog\\n4\\n10.0.0.2\\nprovision-replica-one\\na secret\\n' >${FILE}`)
    expect(await host.plan([alone])).toEqual(['update unreplicated:database: stops replicating from 10.0.0.2'])
  })

  it.each([
    ['a link to a file of root', `ln -s /etc/shadow ${FILE}`, 'Too many levels of symbolic links'],
    ['a FIFO', `mkfifo ${FILE}`, 'is not a regular file'],
    ['a directory', `mkdir ${FILE}`, 'is not a regular file'],
  ])('is refused with its path and account where it is %s', async (_, what, why) => {
    await plant(what)
    const says = new RegExp(`${FILE}.* account mysql.*${why}`)
    expect(await host.plan([alone])).toEqual([expect.stringMatching(says)])
    expect(await host.refused([alone])).toMatchObject({ why: expect.stringMatching(says) })
  })

  it('is read only up to a limit if it is endless', async () => {
    await plant(`truncate -s 3G ${FILE}`)
    const began = performance.now()
    expect(await host.plan([alone])).toEqual([])
    expect(performance.now() - began).toBeLessThan(10_000)
  })

  it.each([
    ['a link to a file of root', 'ln -s /etc/victim grastate.dat'],
    ['a link at the name of the new one', 'echo "safe_to_bootstrap: 0" >grastate.dat; ln -s /etc/victim .provision-grastate'],
    ['a FIFO', 'mkfifo grastate.dat'],
  ])('is not written through: %s', async (_, what) => {
    await host.run('echo untouched >/etc/victim')
    await plant(`cd /var/lib/mysql; ${what}`)
    await host.run(`${DEFINE_AS_MYSQL}\n${asMysql(SAFE_TO_BOOTSTRAP)} || :`)
    expect(await host.run('cat /etc/victim; stat -c %U:%a /etc/victim; find /var/lib/mysql ! -user mysql')).toBe('untouched\nroot:600\n')
  })
})

describe('a primary and a replica', () => {
  const SUBNET = '10.79.115'
  const HOSTS = ['web-01', 'web-02']
  const project = referenceProject('t-first-attack', SUBNET)
  // Clients of its MariaDB 10.11 also send statements to a server without TLS.
  const spec: LabSpec = onDebian12(replicaLab(project, SUBNET, HOSTS))
  /** The data directory, as the package of the release chose it. */
  let data = ''
  project.env.SHOP_PASSWORD = 'a long poison word'
  beforeAll(async () => {
    writeReplicaSite(project, SUBNET, { hosts: HOSTS, primary: 'web-01' })
    await labReset(spec)
    const { status, stderr } = project.provision('run')
    expect(`${status} ${stderr}`).toBe('0 ')
    data = await inside(spec, 'web-01', `${DEFINE_DATA}; printf %s "$data"`)
    await sql(spec, 'web-01', 'CREATE TABLE shop.t (id INT PRIMARY KEY); INSERT INTO shop.t VALUES (1)')
  })
  afterAll(async () => {
    await labDown(spec)
    project.remove()
  })

  const asIt = (host: string, what: string): Promise<string> => inside(spec, host, `${AS_MYSQL} sh -ec ${quote(what)}`)
  const run = (...words: readonly string[]) => {
    const { status, stdout, stderr } = project.provision('run', ...words)
    return { status, said: stdout + stderr }
  }
  const secrets = (host: string): Promise<string> => inside(spec, host, `grep -rlaF 'daemon:*:' ${data} /tmp || :`)

  it.each([
    ['a link to a file of root', 'ln -s /etc/passwd .provision-seeding'],
    ['a FIFO', 'mkfifo .provision-seeding'],
    ['a directory that leads elsewhere', ': >.provision-seeding; ln -s /etc elsewhere'],
  ])('all data is copied again if the mark is %s, and nothing else changes', async (_, what) => {
    const state = 'cat /etc/passwd; ls -lA --time-style=+%s /etc'
    const before = await inside(spec, 'web-02', state)
    await asIt('web-02', `cd ${data}; ${what}`)
    expect(run()).toMatchObject({ status: 0 })
    expect(await inside(spec, 'web-02', state)).toBe(before)
    expect(await inside(spec, 'web-02', `find ${data} ! -user mysql ! -name '*.flag'; ls -A ${data} | grep -c '^.provision' || :`)).toBe(
      '0\n',
    )
    expect(await sql(spec, 'web-02', 'SELECT COUNT(*) FROM shop.t')).toBe('1')
    expect(run().said).toContain('Nothing to do: ')
  })

  it('no file of root is sent through a link of the account of the sending server', async () => {
    await asIt('web-01', `ln -s /etc/shadow ${data}/shop/leak.ibd; ln -s /etc/shadow ${data}/shop/leak.frm`)
    await asIt('web-02', `: >${data}/.provision-seeding`)
    const { status, said } = run()
    expect(await secrets('web-02')).toBe('')
    expect(status).toBe(1)
    expect(said).toContain('leak.ibd')
    await asIt('web-01', `rm ${data}/shop/leak.*`)
    expect(run()).toMatchObject({ status: 0 })
  })

  /** The answers while a server of the account mysql runs in place of ours, and the requests that it recorded. */
  const withRogue = async (file: string, act: () => unknown): Promise<string> => {
    const start = `systemctl stop mariadb; printf %s ${quote(ROGUE)} >/tmp/rogue.pl; rm -f /tmp/rogue.log
systemd-run -q --unit=rogue -p User=mysql perl /tmp/rogue.pl /run/mysqld/mysqld.sock ${quote(file)}; sleep 1`
    await inside(spec, 'web-02', start)
    try {
      await act()
      return await inside(spec, 'web-02', 'cat /tmp/rogue.log')
    } finally {
      await inside(spec, 'web-02', 'systemctl stop rogue; rm -f /run/mysqld/mysqld.sock; systemctl start mariadb')
    }
  }

  it('a server in place of the real one gets no file', async () => {
    const log = await withRogue('/etc/shadow', async () => {
      expect(run('--dry-run').status).not.toBe(0)
      project.provision('verify')
      await inside(spec, 'web-02', `${MARIADB} --skip-ssl -e 'LOAD DATA' || :`)
    })
    // Clients of MariaDB 11.4 and later send nothing to a server without TLS, also through a socket.
    const requiresTls = /^ssl-verify-server-cert +TRUE/m.test(await inside(spec, 'web-02', 'mariadb --no-defaults --help'))
    expect(log.includes('asked: SELECT')).toBe(!requiresTls)
    expect(log).toContain('asked: LOAD DATA')
    expect(log).not.toContain('got: ')
  })

  it('a silent server in place of the real one blocks no run', async () => {
    const began = performance.now()
    await withRogue('', () => expect(run('--dry-run').said).toContain('database server accepts connections and does not answer'))
    expect(performance.now() - began).toBeLessThan(100_000)
    expect(run().status).toBe(0)
  })
})
