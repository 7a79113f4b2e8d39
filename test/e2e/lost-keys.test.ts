import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inside } from './support/interrupt.ts'
import { down, referenceLab, up } from './support/lab.ts'
import { changes, referenceProject } from './support/project.ts'

// A balancer and two web servers, which authenticate each other by certificates of the site's own authority. The page is requested all the time.
const SUBNET = '10.79.97'
const LB = `${SUBNET}.11`
const project = referenceProject('t-recover', SUBNET)
const spec = referenceLab(project, SUBNET)
const kept = (name: string): string => join(project.root, 'identities', name)
const [CLIENT, SERVER] = ['/etc/ssl/haproxy/edge/client.pem', '/etc/ssl/nginx/edge.pem']

const get = (): Promise<{ readonly status: number | undefined; readonly by: string }> =>
  new Promise((resolve, reject) => {
    const ca = readFileSync(join(project.root, `.provision/lab/${project.lab}/roots.pem`))
    const name = 'www.example.test'
    const options = { host: LB, ca, servername: name, headers: { host: name }, agent: false, timeout: 5000 }
    const asked = request(options, (response) => {
      response.resume()
      response.on('end', () => resolve({ status: response.statusCode, by: String(response.headers['x-served-by']) }))
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer within 5 s')))
    asked.on('error', reject).end()
  })

let asking = true
let answered = 0
const refused: string[] = []
const visit = async (): Promise<void> => {
  for (; asking; await sleep(50))
    await get().then(
      ({ status }) => void (status === 200 ? answered++ : refused.push(`status ${status}`)),
      (error: Error) => void refused.push(error.message),
    )
}
/** The web server that serves the page. */
const servers = async (): Promise<readonly string[]> =>
  [...new Set((await Promise.all(Array.from({ length: 8 }, get))).map(({ by }) => by))].sort()

const run = async (...words: readonly string[]) => {
  const { status, stdout, stderr } = await project.provisionBeside('run', '--json', ...words)
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  return { status, stderr, planned: changes(lines, 'planned'), applied: changes(lines, 'applied'), failed: changes(lines, 'failed') }
}
const issuerOf = (host: string, path: string): Promise<string> => inside(spec, host, `openssl x509 -noout -issuer -in ${path}`)

beforeAll(async () => {
  project.write(
    'playbooks/site.yaml',
    '- { name: web, hosts: web, roles: [nginx] }\n- { name: balancer, hosts: load_balancers, roles: [haproxy-tls] }\n',
  )
  await up(spec)
  const first = await run()
  if (first.status !== 0) throw new Error(first.stderr)
  void visit()
})
afterAll(async () => {
  asking = false
  await down(spec)
  project.remove()
})

const trustedFiles = [
  'lb-01 update file:/etc/ssl/haproxy/edge/authority.pem',
  ...['web-01', 'web-02'].map((host) => `${host} update file:/etc/ssl/nginx/edge-authority.pem`),
]

describe('the loss of the key of the authority between balancer and web servers', () => {
  it('is reported by every run, with the fix', async () => {
    rmSync(kept('authority-edge-1.age'))
    const { status, stderr, planned } = await run('--dry-run')
    expect({ status, planned }).toEqual({ status: 3, planned: [] })
    expect(stderr).toMatch(
      /what identity is missing, although identities\/authority-edge-1\.pem exists\n {2}fix {2}restore it from .* mv identities\/authority-edge-1\.pem identities\/authority-edge-1\.lost\.pem /,
    )
  })

  it('and one run makes every host trust a new one as well, without replacing certificates', async () => {
    renameSync(kept('authority-edge-1.pem'), kept('authority-edge-1.lost.pem'))
    const predicted = await run('--dry-run')
    const { applied, ...rest } = await run()
    expect(rest).toMatchObject({ status: 0, stderr: '', failed: [] })
    expect(applied).toEqual(predicted.planned)
    expect(applied).toEqual(expect.arrayContaining(['controller update authority:edge', ...trustedFiles]))
    expect(applied.filter((line) => line.includes('certificate:'))).toEqual([])
    expect(await run()).toMatchObject({ status: 0, planned: [] })
    expect(await servers()).toEqual(['web-01', 'web-02'])
  })

  it('and certificates that become due are signed by the new one, which all hosts trust already', async () => {
    await inside(spec, 'web-01', `rm ${SERVER}`)
    await inside(spec, 'lb-01', `rm ${CLIENT}`)
    expect(await run()).toMatchObject({
      status: 0,
      stderr: '',
      applied: expect.arrayContaining([`web-01 create certificate:${SERVER}`, `lb-01 create certificate:${CLIENT}`]),
    })
    expect(await issuerOf('web-01', SERVER)).toContain('provision edge 2')
    expect(await issuerOf('lb-01', CLIENT)).toContain('provision edge 2')
    expect(await issuerOf('web-02', SERVER)).toContain('provision edge 1')
    expect(await servers()).toEqual(['web-01', 'web-02'])
    expect(await run()).toMatchObject({ status: 0, planned: [] })
  })
})

describe('the age key of the administrator is lost, with everything that it decrypted', () => {
  it('and one run creates another, and hosts trust each new authority before it is used', async () => {
    for (const name of readdirSync(kept('')).filter((name) => /\.age$|^acme-.*\.json$|^recipients\.txt$/.test(name))) rmSync(kept(name))
    rmSync(project.env.PROVISION_AGE_KEY_FILE ?? '')
    renameSync(kept('authority-edge-2.pem'), kept('authority-edge-2.lost.pem'))
    // In the same run both servers need a certificate, which the balancer could not verify yet.
    for (const host of ['web-01', 'web-02']) await inside(spec, host, `rm ${SERVER}`)
    const { status, stderr, applied, failed } = await run()
    expect(stderr).toMatch(
      /what authority does not sign before all hosts trust it\n {2}why .*: lb-01, web-0[12]\n {2}fix {2}run again; the authority signs once all hosts trust it/,
    )
    expect({ status, failed }).toEqual({ status: 1, failed: ['web-01', 'web-02'].map((host) => `${host} create certificate:${SERVER}`) })
    expect(applied).toEqual(
      expect.arrayContaining([
        'controller update authority:edge',
        expect.stringMatching(/^controller create age-key:/),
        expect.stringMatching(/^controller create acme-account:/),
      ]),
    )
    expect(applied).toEqual(expect.arrayContaining(['lb-01 update file:/etc/haproxy/haproxy.cfg']))
    expect(await servers()).toEqual(['web-01', 'web-02'])
  })

  it('and the next run completes the change, and the third has nothing to do', async () => {
    expect(await run()).toMatchObject({ status: 0, stderr: '', failed: [] })
    expect(await issuerOf('web-02', SERVER)).toContain('provision edge 3')
    expect(await run()).toMatchObject({ status: 0, planned: [] })
    expect(await servers()).toEqual(['web-01', 'web-02'])
  })

  it('and the new account orders certificates', async () => {
    const pair = '/etc/ssl/haproxy/www.example.test.pem'
    const serial = () => inside(spec, 'lb-01', `openssl x509 -noout -serial -in ${pair}`)
    const before = await serial()
    await inside(spec, 'lb-01', `f=$(openssl x509 -in ${pair} -noout -fingerprint -sha256); echo "\${f#*=}" >${pair}.revoked`)
    expect(await run()).toMatchObject({ status: 0, stderr: '' })
    expect(await serial()).not.toBe(before)
  })
})

describe('the loss of all identities of the site', () => {
  let said = ''

  it('is reported by every run, which creates no replacement', async () => {
    rmSync(kept(''), { recursive: true })
    for (const words of [['--dry-run'], []]) {
      const { status, stderr, planned } = await run(...words)
      expect({ status, planned, made: existsSync(kept('')) }).toEqual({ status: 3, planned: [], made: false })
      said = stderr
    }
    expect(said).toMatch(
      /lb-01 › haproxy-tls › certificate:\S+\n {2}what certificate is signed by generation 2 of authority edge, which is not in identities\/\n/,
    )
    expect(said).toMatch(
      /what certificate is signed by generation 3 .* \(on web-02 as well\)\n {2}why .*\n {2}fix {2}restore identities\/ from /,
    )
  })

  it('and with the fix that it names, the files of the hosts suffice to continue, without replaced certificates', async () => {
    const told = [...said.matchAll(/ssh (\S+) cat (\S+) >(\S+) and run again/g)]
    expect(told.map(([, , , file]) => file).sort()).toEqual([2, 3].map((n) => `identities/authority-edge-${n}.lost.pem`))
    for (const [, host = '', path = '', file = ''] of told) project.write(file, await inside(spec, host, `cat ${path}`))
    const { status, stderr, applied, failed } = await run()
    expect({ status, stderr, failed }).toEqual({ status: 0, stderr: '', failed: [] })
    expect(applied).toEqual(expect.arrayContaining(['controller update authority:edge', ...trustedFiles]))
    expect(applied.filter((line) => line.includes('certificate:'))).toEqual([])
    expect(await run()).toMatchObject({ status: 0, planned: [] })
    expect(await servers()).toEqual(['web-01', 'web-02'])
  })

  it('and no visitor was refused meanwhile', () => {
    expect(refused).toEqual([])
    expect(answered).toBeGreaterThan(100)
  })
})
