import { dirname } from 'node:path'
import { isEncrypted } from '../keystore/age.ts'
import { rotate } from '../keystore/rotate.ts'
import { Problem } from '../problem.ts'
import { count, inLine } from '../report/text.ts'
import { quote } from '../shell/quote.ts'
import { readSecrets, secretsPathOf } from '../site/read.ts'
import { list, suggestion } from '../site/source/suggest.ts'
import { defineCommand, type Ended, type Surroundings } from './command.ts'
import { inventoryOption } from './options.ts'
import type { Found } from './other-secrets.ts'
import { wrong } from './parse.ts'
import { edit } from './secrets/edit.ts'
import { bytesOf, locked, put, replace } from './secrets/file.ts'

const actions: Readonly<Record<string, (path: string, surroundings: Surroundings) => Promise<Ended>>> = {
  view: async (path, { directory, env, disclose }) => {
    const text = await readSecrets({ root: directory, path, env })
    if (text === undefined) throw missing(path)
    disclose(text.reveal())
    return 0
  },

  encrypt: async (path, surroundings) => {
    if (bytesOf(surroundings.directory, path) === undefined) throw missing(path)
    return locked(path, surroundings, async () => {
      const bytes = bytesOf(surroundings.directory, path) ?? new Uint8Array()
      if (isEncrypted(bytes)) {
        surroundings.err(`${path} is encrypted already.\n`)
        return 0
      }
      await put(path, Buffer.from(bytes).toString(), bytes, surroundings)
      surroundings.err(`${path} is encrypted. What was committed in the clear stays in the history: change those secrets.\n`)
      return 0
    })
  },

  rotate: async (path, surroundings) => {
    const act = () => rotated(path, surroundings)
    // A project may have identities only.
    return bytesOf(surroundings.directory, path) === undefined ? act() : locked(path, surroundings, act)
  },

  edit,
}

const rotated = async (path: string, { directory, env, err }: Surroundings): Promise<number> => {
  const text = await readSecrets({ root: directory, path, env })
  const secrets = text === undefined ? [] : [{ file: path, text, replace: (bytes: Uint8Array) => replace(directory, path, bytes) }]
  const { files, recipients } = await rotate(directory, env, secrets)
  if (files.length === 0) throw missing(path)
  err(`Encrypted anew for ${count(recipients.length, 'recipient')} of identities/recipients.txt:\n`)
  for (const file of files) err(`  ${file}\n`)
  err('Who was on the list before may have kept a copy: change those secrets too.\n')
  const { otherSecrets } = await import('./other-secrets.ts')
  err(untouched(otherSecrets(directory, path)))
  return 0
}

/** `provision secrets`: values that lie encrypted beside the inventory. */
export const command = defineCommand({
  usage: ['secrets edit | encrypt | rotate', 'secrets view [FILE]'],
  options: inventoryOption,
  notes: [
    `Secrets stand in secrets.yaml beside the inventory, which uses them as \${secret:NAME}.`,
    'They are encrypted for the age recipients in identities/recipients.txt, and opened with your key in ~/.config/provision/age.txt',
    '(or $PROVISION_AGE_KEY_FILE); `secrets edit` makes what is missing. It opens $VISUAL or $EDITOR.',
    '`secrets view` prints another file that is encrypted for you, too.',
    '`secrets rotate` encrypts them, and the keys in identities/, anew for those who are recipients now; it names the secrets of other',
    'inventories, which it leaves as they are.',
    `A secret can also come from a command of yours: \${command:pass show shop/password}.`,
  ],
  run: async ({ positionals: [name, ...more], values }, surroundings) => {
    const names = Object.keys(actions)
    const isComplete = more.length === 0 || (name === 'view' && more.length === 1)
    const action = name !== undefined && isComplete && Object.hasOwn(actions, name) ? actions[name] : undefined
    if (action === undefined) {
      throw name === undefined
        ? wrong('secrets', 'it needs to be told what to do', `write one of ${list(names)}`)
        : wrong('secrets', `it knows no ${[name, ...more].join(' ')}`, suggestion(name, names, 'write one of them'))
    }
    return action(more[0] ?? secretsPathOf(surroundings.directory, values.inventory), surroundings)
  },
})

const missing = (path: string): Problem =>
  new Problem({ class: 'input', where: { file: path }, what: 'there are no secrets yet', fix: 'write some: provision secrets edit' })

/** What else of the project is encrypted, and how each is encrypted anew. */
const untouched = ({ files, all }: Found): string =>
  [
    ...(files.length === 0 ? [] : ['Not touched, so that whoever could open them still can:']),
    ...files.map((file) => `  ${file}: provision secrets rotate -i ${quote(dirname(file))}`),
    ...(all ? [] : ['Not all of the project was looked through: it has too many directories.']),
  ]
    .map((line) => `${inLine(line)}\n`)
    .join('')
