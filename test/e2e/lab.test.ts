import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import * as lab from '../../src/lab/index.ts'
import { refreshLists } from '../../src/lab/machine/machine.ts'
import { RELEASE } from './support/lab.ts'

const run = promisify(execFile)
const root = await mkdtemp(join(tmpdir(), 'provision-lab-'))
const host = (name: string, last: number, subnet = '10.79.9', user = 'ops') => ({
  name,
  user,
  addresses: [`${subnet}.${last}`, `${subnet.replace('10.79.', 'fd79:')}::${last}`],
})
const spec: lab.LabSpec = { name: 't-lab', root, hosts: [host('one', 11), host('two', 12)], names: { 'two.example.test': '10.79.9.12' } }
const beside: lab.LabSpec = { name: 't-beside', root, hosts: [host('one', 11, '10.79.99')] }

const ssh = async (where: lab.LabSpec, name: string, command: string) => {
  const config = join(where.root, '.provision/lab', where.name, 'ssh_config')
  return (await run('ssh', ['-F', config, '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=2', name, command])).stdout.trim()
}

/** Everything on this machine that has the lab's id in its name. */
const traces = async (where: lab.LabSpec): Promise<string[]> => {
  const { id, state } = lab.layoutOf(where)
  const read = (pid: string, file: string) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const described = await Promise.all(
    pids.map(async (pid) => (await Promise.all(['cgroup', 'cmdline', 'status'].map((file) => read(pid, file)))).join('\n')),
  )
  // A zombie does not run any more: it waits to be reaped by its parent.
  const processes = described.filter((text) => text.includes(id) && !/^State:\tZ/m.test(text))
  const commands = [
    ['ip', '-o', 'link'],
    ['ip', 'netns'],
    ['nft', 'list', 'ruleset'],
    ['find', '/sys/fs/cgroup', '/run', '-name', `*${id}*`],
  ]
  const texts = await Promise.all(commands.map(async ([command = '', ...args]) => (await run(command, args)).stdout))
  const lines = [...texts, await readFile('/proc/self/mounts', 'utf8')]
    .flatMap((text) => text.split('\n'))
    .filter((line) => line.includes(id))
  return [...processes, ...lines, ...(existsSync(state) ? [state] : [])]
}

/** Kills all processes in one of the lab's cgroups. */
const killAll = (where: lab.LabSpec, group: string) => {
  const script = 'kill -9 $(cat $(find /sys/fs/cgroup -path "*/$1/*" -name cgroup.procs) | sort -u)'
  return run('sh', ['-c', script, 'sh', join(lab.layoutOf(where).cgroup, group)])
}

beforeAll(() => lab.labUp(spec))
afterAll(async () => {
  await lab.labDown(spec)
  await lab.labDown(beside)
  await rm(root, { recursive: true })
})

describe('a lab host', () => {
  it('enforces the limits of units, and does not only show them', async () => {
    const allocate = (limit: string) => `sudo systemd-run -q --wait -p MemoryMax=${limit} perl -e 'exit(length(q(a) x (100 << 20)) < 1)'`
    await ssh(spec, 'one', allocate('300M'))
    await expect(ssh(spec, 'one', allocate('30M'))).rejects.toThrow()
  })

  it('is a running system of its release with systemd, its name, its addresses, and sudo', async () => {
    const script =
      '. /etc/os-release; sudo systemctl is-system-running --wait; echo $ID $VERSION_ID; hostname; cat /proc/1/comm; sudo id -u; ip -o address show eth0'
    const [state, release, name, init, uid, ...addresses] = (await ssh(spec, 'two', script)).split('\n')
    expect([state, release, name, init, uid]).toEqual(['running', RELEASE.title.toLowerCase(), 'two', 'systemd', '0'])
    expect(addresses.join('\n')).toContain('inet 10.79.9.12/24')
    expect(addresses.join('\n')).toContain('inet6 fd79:9::12/64')
  })

  it('has nothing that a bare cloud image lacks', async () => {
    expect(await ssh(spec, 'one', 'command -v python3 curl wget nft nginx gcc; ls /var/lib/apt/lists | grep -c Packages || :')).toBe('0')
  })

  it('reaches its neighbour over IPv4 and IPv6, and nothing beyond the lab', async () => {
    const tcp = (address: string, port: number) =>
      ssh(spec, 'one', `timeout 3 bash -c 'exec 3<>/dev/tcp/${address}/${port} && head -c 7 <&3'`)
    expect(await tcp('10.79.9.12', 22)).toBe('SSH-2.0')
    expect(await tcp('fd79:9::12', 22)).toBe('SSH-2.0')
    await expect(tcp('198.51.100.1', 80)).rejects.toThrow()
  })

  it('installs packages through the cache, which fetches each one once', async () => {
    const install = 'sudo apt-get update -qq && sudo apt-get install -y -qq hello >/dev/null 2>&1 && hello'
    expect(await ssh(spec, 'one', install)).toBe('Hello, world!')
    expect(await ssh(spec, 'two', install)).toBe('Hello, world!')
    const log = await readFile(join(lab.layoutOf(spec).state, '.services/archive/access.log'), 'utf8')
    expect(log.split('\n').filter((line) => line.includes('/hello_'))).toEqual([expect.anything(), expect.stringContaining(' 200 HIT ')])
    expect(existsSync(join(lab.overlayOf(spec, 'one'), 'usr/bin/hello'))).toBe(true)
  })

  it('asks a certificate authority and a name server of the lab', async () => {
    const { authority } = await lab.labStatus(spec)
    const ca = await readFile(authority.directoryCaFile)
    const answer = await new Promise((resolve, reject) => get(authority.directory, { ca }, resolve).on('error', reject))
    expect(answer).toMatchObject({ statusCode: 200 })
    expect(await readFile(authority.caFile, 'utf8')).toContain('BEGIN CERTIFICATE')
    expect(await ssh(spec, 'one', 'getent ahostsv4 www.example.test | grep -o "^[0-9.]*" | uniq')).toBe('10.79.9.11')
    expect(await ssh(spec, 'one', 'getent ahostsv4 two.example.test | grep -o "^[0-9.]*" | uniq')).toBe('10.79.9.12')
  })
})

describe('an action on a host', () => {
  it('a second up changes nothing', async () => {
    const leaders = await Promise.all([lab.leaderOf(spec, 'one'), lab.leaderOf(spec, 'two')])
    const heard: string[] = []
    await lab.labUp(spec, (line) => heard.push(line))
    expect(heard).toEqual(['ready: one, two'])
    expect(await Promise.all([lab.leaderOf(spec, 'one'), lab.leaderOf(spec, 'two')])).toEqual(leaders)
  })

  it('a reboot from within keeps the disk, and not processes and packet filters', async () => {
    const leader = await lab.leaderOf(spec, 'one')
    await ssh(spec, 'one', 'echo kept > /var/tmp/mark; sudo touch /run/mark')
    // The host has no nft; what counts is a table in its network namespace.
    await run('nsenter', [`--target=${leader}`, '--net', 'nft', 'add', 'table', 'inet', 'left'])
    await lab.reboot(spec, 'one')
    expect(await ssh(spec, 'one', 'cat /var/tmp/mark; ls /run/mark 2>/dev/null || :')).toBe('kept')
    const after = await lab.leaderOf(spec, 'one')
    expect(after).not.toBe(leader)
    expect((await run('nsenter', [`--target=${after}`, '--net', 'nft', 'list', 'ruleset'])).stdout).toBe('')
  })

  it('a cut cable drops packets of both families, and no others', async () => {
    await lab.cutOff(spec, 'one')
    await lab.cutOff(spec, 'one')
    await expect(ssh(spec, 'one', 'true')).rejects.toThrow(/timed out/)
    await expect(run('bash', ['-c', 'timeout 1 bash -c "exec 3<>/dev/tcp/fd79:9::11/22"'])).rejects.toMatchObject({ code: 124 })
    expect(await ssh(spec, 'two', 'hostname')).toBe('two')
    await lab.reconnect(spec, 'one')
    expect(await ssh(spec, 'one', 'hostname')).toBe('one')
  })

  it('a power cut stops it at once, and it boots again with its disk', async () => {
    await ssh(spec, 'one', 'echo kept > /var/tmp/power')
    await lab.end(spec, 'one')
    expect((await lab.labStatus(spec)).hosts).toMatchObject({ one: { running: false }, two: { running: true } })
    await lab.boot(spec, 'one')
    expect(await ssh(spec, 'one', 'cat /var/tmp/power')).toBe('kept')
  })

  it('a reset of one host gives it a new disk and new host keys, and leaves the other alone', async () => {
    const known = await readFile(join(root, '.provision/lab/t-lab/known_hosts'), 'utf8')
    const two = await lab.leaderOf(spec, 'two')
    await lab.labReset(spec, ['one'])
    expect(existsSync(join(lab.overlayOf(spec, 'one'), 'var/tmp/power'))).toBe(false)
    expect(await lab.leaderOf(spec, 'two')).toBe(two)
    const now = await readFile(join(root, '.provision/lab/t-lab/known_hosts'), 'utf8')
    const of = (text: string, address: string) => text.split('\n').filter((line) => line.startsWith(`${address} `))
    expect(of(now, '10.79.9.12')).toEqual(of(known, '10.79.9.12'))
    expect(of(now, 'fd79:9::11')).not.toEqual(of(known, 'fd79:9::11'))
    expect(await ssh(spec, 'one', 'hostname')).toBe('one')
  })
})

describe('the lab and its remains', () => {
  it('starts again after its keepers and services were killed', async () => {
    await ssh(spec, 'two', 'echo kept > /var/tmp/killed')
    for (const group of ['host-one/keeper', 'host-two/machine', 'service-authority', 'service-archive']) await killAll(spec, group)
    await lab.labUp(spec)
    expect((await lab.labStatus(spec)).hosts).toMatchObject({ one: { running: true }, two: { running: true } })
    expect(await ssh(spec, 'two', 'cat /var/tmp/killed')).toBe('kept')
    expect(await ssh(spec, 'one', 'sudo apt-get update -qq 2>&1')).toBe('')
    expect((await readFile((await lab.labStatus(spec)).authority.caFile, 'utf8')).match(/BEGIN/g)?.length).toBe(2)
  })

  it('starts again if only the disks remain on the machine', async () => {
    const { switch: wire } = lab.layoutOf(spec)
    await lab.end(spec, 'one')
    await lab.end(spec, 'two')
    await run('ip', ['netns', 'delete', wire])
    await lab.labUp(spec)
    expect(await ssh(spec, 'two', 'cat /var/tmp/killed')).toBe('kept')
  })

  it('exists beside another lab with the same host names', async () => {
    await lab.labUp(beside)
    expect(await ssh(beside, 'one', 'hostname; ip -o -4 address show eth0')).toContain('10.79.99.11')
    await ssh(spec, 'one', 'sudo systemd-run --unit=same sleep 600')
    expect(await ssh(beside, 'one', 'systemctl is-active same || :')).toBe('inactive')
    await lab.labDown(beside)
    expect(await traces(beside)).toEqual([])
    expect(await ssh(spec, 'one', 'systemctl is-active same')).toBe('active')
  })

  it('refuses the addresses of another lab, and names that lab', async () => {
    await expect(lab.labUp({ ...spec, name: 't-rival' })).rejects.toMatchObject({
      what: expect.stringContaining(lab.layoutOf(spec).interface),
      why: `the interface belongs to lab "t-lab" of ${root}`,
    })
    await lab.labDown({ ...spec, name: 't-rival' })
  })

  it('takes over the addresses of a lab in which nothing runs any more', async () => {
    const heir = { ...beside, name: 't-heir' }
    await lab.labUp(beside)
    await killAll(beside, '')
    // A killed host needs some time to end.
    await vi.waitFor(() => lab.labUp(heir), { timeout: 60_000, interval: 500 })
    expect(await ssh(heir, 'one', 'hostname')).toBe('one')
    await lab.labDown(heir)
    await lab.labDown(beside)
  })

  it('waits for another apt-get that holds the lock of the package lists', async () => {
    const lock = `open F, '>>', '/var/lib/apt/lists/lock' or die; my $l = pack 's s x4 q q i', F_WRLCK, 0, 0, 0, 0; fcntl(F, F_SETLK, $l) or die; $| = 1; print "held"; sleep 3`
    const holder = spawn('perl', ['-MFcntl', '-e', lock], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(holder.stdout, 'data')
    const update = refreshLists()
    await once(holder, 'exit')
    await update
    expect(holder.exitCode).toBe(0)
  })

  it('removes the lab of a deleted project', async () => {
    const gone: lab.LabSpec = { ...beside, root: await mkdtemp(join(tmpdir(), 'provision-gone-')) }
    await lab.labUp(gone)
    await rm(gone.root, { recursive: true })
    await lab.labUp(beside)
    expect(await traces(gone)).toEqual([])
  })

  it('removes a host that is no longer in the inventory', async () => {
    await lab.labUp({ ...spec, hosts: spec.hosts.slice(0, 1) })
    expect((await lab.labStatus(spec)).hosts).toMatchObject({ one: { running: true }, two: { running: false } })
    expect(existsSync(lab.overlayOf(spec, 'two'))).toBe(false)
  })

  it('leaves nothing after down, also the second time', async () => {
    expect(await traces(spec)).not.toEqual([])
    await lab.labDown(spec)
    expect(await traces(spec)).toEqual([])
    await lab.labDown(spec)
  })
})
