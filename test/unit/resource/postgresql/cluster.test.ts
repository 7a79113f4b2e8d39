import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { CHANGED } from '../../../../src/resource/kind/walk.ts'
import {
  clusterOption,
  executeScript,
  forbidUnknown,
  observeAgain,
  planUnknown,
  queryClusters,
  readClusters,
  within,
} from '../../../../src/resource/postgresql/cluster.ts'
import { MARK } from '../../../../src/resource/postgresql/sql.ts'
import { sh } from '../../../../src/shell/sh.ts'
import { answered, contextOf } from './answer.ts'

const read = (text: string) => readClusters(Buffer.from(text), [undefined]).get(undefined)

describe('answers', () => {
  it('have the rows of a server, and whether it is a standby', () => {
    expect(readClusters(answered(['role', 'x', null]), [undefined]).get(undefined)).toEqual({
      ...{ is: 'up', isStandby: false },
      rows: [['role', 'x', null]],
    })
    expect(read('["standby",true]\nend\n')).toEqual({ is: 'up', isStandby: true, rows: [] })
  })

  it('belong to the clusters in their order', () => {
    const answers = readClusters(Buffer.from('none\n["standby",false]\n["x"]\nend\n'), ['15/main', '17/main'])
    expect(answers.get('15/main')).toEqual({ is: 'none' })
    expect(answers.get('17/main')).toMatchObject({ is: 'up', rows: [['x']] })
  })

  it('name the clusters of a host that has others, or several', () => {
    expect(read('several 15/main 17/main\n')).toEqual({ is: 'several', clusters: '15/main 17/main' })
    expect(read('other 15/main\n')).toEqual({ is: 'other', clusters: '15/main' })
  })

  it.each(['No such file or directory', 'Connection refused'])('of a server that does not run: %s', (why) => {
    expect(
      read(`failed 2 psql: error: connection to server on socket "/run/postgresql/.s.PGSQL.5432" failed: ${why} Is the server running?\n`),
    ).toEqual({ is: 'down' })
  })

  it.each([
    ['failed 2 psql: error: FATAL:  Peer authentication failed for user "postgres"\n', /Peer authentication/, /local all postgres peer/],
    ['failed 3 psql:<stdin>:2: ERROR:  No such file or directory\n', /No such file/, /fix the problem/],
    ['failed 142 \n', /ended after 60 s/, /fix the problem/],
    ['failed 127 \n', /status 127 and printed nothing/, /fix the problem/],
  ])('that refuse the question have the words of the server: %s', (text, why, fix) => {
    expect(() => read(text)).toThrow(why)
    expect(() => read(text)).toThrow(expect.objectContaining({ fix: expect.stringMatching(fix) }))
  })

  it.each(['', '["standby",false]\n', 'end\n', '["x"]\nend\n', '["standby",false]\nnone\n', 'nothing\n', 'none\nnone\n'])(
    'that are incomplete are errors: %j',
    (text) => {
      expect(() => read(text)).toThrow(/psql/)
    },
  )
})

/** Runs a script with programs of the given text in place of `perl`. */
const runWith = (script: string, perl: string, input = '') => {
  const directory = mkdtempSync(join(tmpdir(), 'psql-'))
  try {
    writeFileSync(join(directory, 'perl'), `#!/bin/sh\n${perl}\n`, { mode: 0o755 })
    const env = { PATH: `${directory}:/usr/bin:/bin`, T: directory }
    const { stdout, stderr, status } = spawnSync('/bin/sh', ['-c', script], { input, env, encoding: 'utf8' })
    return { stdout, stderr, status }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

describe('scripts', () => {
  const query = String(queryClusters(new Map([[undefined, "SELECT 'x';\n"]])))

  it('print the rows of a successful psql only', () => {
    expect(runWith(query, 'echo rows; cat >/dev/null').stdout).toBe('rows\n')
    expect(runWith(query, 'echo rows; echo words >&2; exit 3').stdout).toBe('failed 3 words \n')
  })

  it('send the question whether the server is a standby, the statements, and the end', () => {
    expect(runWith(query, 'cat').stdout).toBe("SELECT json_build_array('standby', pg_is_in_recovery());\nSELECT 'x';\n\\echo end\n")
  })

  it('bound the answer and the message', () => {
    expect(runWith(query, 'head -c 20000000 /dev/zero').stdout).toMatch(/^failed \d+/)
    expect(runWith(query, 'head -c 20000 /dev/zero | tr "\\0" x >&2; exit 3').stdout.length).toBeLessThan(3100)
  })

  it('end with the status for a changed resource if a comparison failed', () => {
    const { status, stderr } = runWith(
      String(executeScript(undefined)),
      `echo 'psql:<stdin>:2: ERROR:  ${MARK}: role x is not as it was observed' >&2; exit 3`,
    )
    expect(stderr).toBe('role x is not as it was observed \n')
    expect(status).toBe(CHANGED)
  })

  it('end with the status and the words of psql', () => {
    const failed = runWith(String(executeScript('17/main', 'SELECT 1;')), `echo 'ERROR:  no' >&2; exit 3`)
    expect(failed).toMatchObject({ status: 3, stderr: 'ERROR:  no \n' })
    expect(runWith(String(executeScript(undefined)), 'exit 142').stderr).toMatch(/^psql was ended after 60 s/)
    expect(runWith(String(executeScript(undefined)), 'cat >/dev/null')).toMatchObject({ status: 0, stdout: '' })
  })

  it.each(['none', 'other 15/main', 'several 15/main 17/main'])('fail on a host without the cluster: %s', (words) => {
    const { status, stderr } = runWith(String(executeScript(undefined)), `echo '${words}'`)
    expect({ status, stderr }).toEqual({ status: 1, stderr: `the host does not have the cluster: ${words}\n` })
  })
})

describe('a cluster that cannot be asked', () => {
  const packages = contextOf({ packagesPending: true })
  const spec = { cluster: '17/main', state: 'present' }

  it('gets its resources once its package is installed', () => {
    expect(planUnknown('none', 'present', packages)).toMatchObject({ action: 'create', certainty: 'dependent', reason: 'missing' })
    expect(planUnknown('other', 'present', packages)?.action).toBe('create')
    expect(planUnknown('none', 'present', contextOf())).toBeUndefined()
    expect(planUnknown('none', 'absent', packages)).toBeUndefined()
    expect(planUnknown('several', 'present', packages)).toBeUndefined()
    expect(planUnknown('standby', 'present', packages)).toBeUndefined()
  })

  it('is asked again once it runs', () => {
    expect(planUnknown('down', 'present', contextOf())).toMatchObject({ action: 'update', certainty: 'dependent' })
    expect(planUnknown('down', 'absent', contextOf())).toMatchObject({ action: 'delete', certainty: 'dependent' })
  })

  it('is refused if nothing installs it, or if the option is missing or wrong', () => {
    const why = (is: 'none' | 'other' | 'several', context = contextOf(), state = 'present') =>
      forbidUnknown('postgresql-role x', { ...spec, state }, is === 'none' ? { is } : { is, clusters: '15/main 16/main' }, context)
    expect(why('none')?.fix).toMatch(/package postgresql/)
    expect(why('none', packages)).toBeUndefined()
    expect(why('none', contextOf(), 'absent')).toBeUndefined()
    expect(why('other')?.message).toBe('the host has no PostgreSQL cluster 17/main: it has 15/main 16/main')
    expect(why('other', contextOf({ anyPackagesPending: true }))).toBeUndefined()
    expect(why('several', packages)?.fix).toBe('set `cluster: 15/main`, for example')
    expect(forbidUnknown('x', spec, { is: 'down' }, contextOf())).toBeUndefined()
  })

  const observe = (answer: { readonly is: string }) => (specs: readonly string[]) => ({
    script: sh`ask`,
    parse: () => new Map(specs.map((one) => [one, answer])),
  })
  const work = ['a', 'b'].map((id) => ({
    ...{ id, spec: id, state: { is: id === 'a' ? 'known' : 'down' } },
    change: { action: 'update', certainty: 'dependent', reason: '', differences: [] } as const,
  }))

  it('is asked again before the change, about the resources whose state is not known', () => {
    const steps = observeAgain(observe({ is: 'known' }), work)
    expect(steps.next().value).toMatchObject({ do: 'shell' })
    expect(steps.next({ code: 0, stdout: Buffer.alloc(0), stderr: '' }).value).toEqual(new Map([['b', { is: 'known' }]]))
    expect(observeAgain(observe({ is: 'down' }), work.slice(0, 1)).next()).toEqual({ done: true, value: new Map() })
  })

  it('and refused if its answer is incomplete', () => {
    const steps = observeAgain(
      () => ({
        script: sh`ask`,
        parse: () => {
          throw new Error('no end')
        },
      }),
      work,
    )
    steps.next()
    expect(() => steps.next({ code: 0, stdout: Buffer.alloc(0), stderr: '' })).toThrow(HostRefusal)
  })

  it.each([
    ['down', /does not run/],
    ['none', /does not have the cluster/],
  ])('and refused if it is still %s', (is, why) => {
    const steps = observeAgain(observe({ is }), work)
    steps.next()
    expect(() => steps.next({ code: 0, stdout: Buffer.alloc(0), stderr: '' })).toThrow(why)
  })
})

it('the option is version and name, and a part of the identity', () => {
  expect(clusterOption.safeParse('17/main').success).toBe(true)
  for (const wrong of ['17', '17/', '/main', '17/..', '17/-x', '17/a b', '170/main'])
    expect(clusterOption.safeParse(wrong).success, wrong).toBe(false)
  expect([within(undefined, 'shop'), within('17/main', 'shop')]).toEqual(['shop', '17/main:shop'])
})
