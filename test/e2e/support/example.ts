import { cpSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import type { Project } from './project.ts'

interface Placed {
  /** Its directory below `examples`. */
  readonly example: string
  /** The address of its host in the lab. */
  readonly address: string
  /** Each text of its inventory that differs in the lab (it must occur), and what replaces it. */
  readonly replaced: readonly (readonly [from: string | RegExp, to: string])[]
}

/** Puts an example of one host in place of the reference site, with the lab's addresses, keys and certificate authority. */
export const placeExample = ({ root, lab, write }: Project, { example, address, replaced }: Placed): void => {
  const from = join(import.meta.dirname, '../../../examples', example)
  const files = `.provision/lab/${lab}`
  const controller = address.replace(/\d+$/, '1')
  const login = `  user: ops\n  key: ${files}/id_ed25519\n  known_hosts: ${files}/known_hosts\n`
  const all = [
    ['  user: ops\n', `${login}  firewall: { administrators: [${controller}] }\n`],
    [/192\.0\.2\.\d+/, address],
    ['acme: {', `acme: { directory: 'https://${controller}:14000/dir', ca_file: ${files}/authority.pem,`],
    ...replaced,
  ] as const
  rmSync(join(root, 'inventory'), { recursive: true })
  for (const part of ['inventory', 'playbooks']) cpSync(join(from, part), join(root, part), { recursive: true })
  const text = all.reduce(
    (before, [one, other]) => {
      const after = before.replace(one, other)
      if (after === before) throw new Error(`${String(one)} is not in the inventory of ${example}`)
      return after
    },
    readFileSync(join(from, 'inventory/hosts.yaml'), 'utf8'),
  )
  write('inventory/hosts.yaml', text)
}

interface Visit {
  readonly project: Project
  readonly address: string
  readonly name: string
  readonly method?: 'GET' | 'POST'
  readonly body?: string
}

/** The body of an answer over HTTPS, verified with the roots of the lab's authority. */
export const answerOf = ({ project, address, name, method = 'GET', body = '' }: Visit): Promise<string> =>
  new Promise((resolve, reject) => {
    const ca = readFileSync(join(project.root, `.provision/lab/${project.lab}/roots.pem`))
    const asked = request({ host: address, servername: name, headers: { host: name }, ca, method, agent: false }, (response) => {
      let text = ''
      response.on('data', (bytes: Buffer) => (text += bytes.toString())).on('end', () => resolve(text))
    })
    asked.on('error', reject).end(body)
  })
