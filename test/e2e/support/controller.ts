import { execFileSync, type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type LabSpec, labDown, labReset } from '../../../src/lab/index.ts'
import type { Line } from './project.ts'

const checkout = join(import.meta.dirname, '../../..')

/**
 * Copies this program with its Node, and a project, to a lab host: /opt/provision, /opt/node, /opt/site. So the host provisions itself and
 * others. `ssh` has the words of ssh before the destination.
 */
export const installController = (ssh: string, host: string, project: string): void => {
  // The program builds itself if a source is newer.
  execFileSync(process.execPath, [join(checkout, 'bin/provision.js'), '--version'])
  const packs = [
    `tar -c -C ${checkout} bin dist package.json --transform 's,^,opt/provision/,'`,
    `tar -c -C ${project} . --transform 's,^\\.,opt/site,'`,
    `tar -c -P ${process.execPath} --transform 's,.*,opt/node,'`,
  ]
  const unpack = 'sudo tar -x -i --no-same-owner -C / && sudo chown -R ops /opt/site && sudo chmod -R go+rX /opt'
  execFileSync('sh', ['-c', `{ ${packs.join(' && ')}; } | ${ssh} ${host} '${unpack}'`])
}

/** The command line of provision on such a host, to be run in /opt/site. */
export const PROVISION = '/opt/node /opt/provision/bin/provision.js'

/** A lab whose first host is the controller of all of them: the user `ops`, with the key and the known_hosts file of the lab in ~/.ssh. */
export const selfProvisioningLab = async (name: string, addresses: Readonly<Record<string, string>>) => {
  const root = mkdtempSync(join(tmpdir(), `provision-${name}-`))
  const hosts = Object.entries(addresses).map(([host, address]) => ({ name: host, user: 'ops', addresses: [address] }))
  const spec: LabSpec = { name, root, hosts }
  const controller = hosts[0]?.name ?? ''
  const inLab = (file: string): string => join(root, '.provision/lab', name, file)
  const ssh = (host: string, script: string): SpawnSyncReturns<string> =>
    spawnSync('ssh', ['-F', inLab('ssh_config'), host, script], { encoding: 'utf8' })
  /** Runs a script on a host as `ops`, who may use sudo. Throws if it fails. */
  const on = (host: string, script: string): string => {
    const { status, stdout, stderr } = ssh(host, script)
    if (status !== 0) throw new Error(`exit ${status}: ${stderr}${stdout}`)
    return stdout
  }
  const provision = (...words: readonly string[]) => ssh(controller, `cd /opt/site && ${PROVISION} ${words.join(' ')}`)
  /** Runs a script on the controller at a terminal, and types the answer when the question is shown. Returns what is shown. */
  const atTerminal = (script: string, question: string, answer: string): Promise<string> =>
    new Promise((resolve) => {
      const child = spawn('ssh', ['-F', inLab('ssh_config'), '-tt', controller, script], { stdio: ['pipe', 'pipe', 'inherit'] })
      let shown = ''
      child.stdout.on('data', (chunk: Buffer) => {
        if (!shown.includes(question) && (shown + chunk).includes(question)) child.stdin.write(`${answer}\r`)
        shown += chunk
      })
      child.once('close', () => resolve(shown))
    })
  const down = async (): Promise<void> => {
    await labDown(spec)
    rmSync(root, { recursive: true, force: true })
  }
  try {
    await labReset(spec)
  } catch (error) {
    await down()
    throw error
  }
  return {
    ...{ root, on, provision, atTerminal, down },
    json: (...words: readonly string[]) => {
      const { status, stdout } = provision(...words, '--json')
      const lines = stdout.split('\n').filter((line) => line !== '')
      return { status, lines: lines.map((line) => JSON.parse(line) as Line) }
    },
    /** Puts a project on the controller; its directory `.ssh` becomes that of the account. `prepare` may add files first. */
    install: (files: Readonly<Record<string, string>>, prepare: (project: string) => void = () => {}): void => {
      const project = join(root, 'project')
      for (const [path, text] of Object.entries({ '.ssh/config': '', 'package.json': '{ "private": true, "type": "module" }', ...files })) {
        mkdirSync(dirname(join(project, path)), { recursive: true })
        writeFileSync(join(project, path), text)
      }
      for (const file of ['id_ed25519', 'id_ed25519.pub', 'known_hosts']) copyFileSync(inLab(file), join(project, '.ssh', file))
      prepare(project)
      installController(`ssh -F ${inLab('ssh_config')}`, controller, project)
      on(controller, 'mv /opt/site/.ssh/* ~/.ssh/ && chmod 600 ~/.ssh/*')
    },
  }
}
