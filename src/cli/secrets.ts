import { dirname } from 'node:path'
import { isEncrypted } from '../keystore/age.ts'
import { renewerCount } from '../keystore/renewal.ts'
import { rotate } from '../keystore/rotate.ts'
import { Problem } from '../problem.ts'
import { count, inLine } from '../report/text.ts'
import { quote } from '../shell/quote.ts'
import { readSecrets, secretsPathOf } from '../site/read.ts'
import { list, suggestion } from '../site/source/suggest.ts'
import { type CommandContext, type CommandResult, defineCommand } from './command.ts'
import { inventoryOption } from './options.ts'
import type { OtherSecrets } from './other-secrets.ts'
import { usageError } from './parse.ts'
import { edit } from './secrets/edit.ts'
import { bytesOf, replace, withLock, writeEncrypted } from './secrets/file.ts'

const actions: Readonly<Record<string, (path: string, context: CommandContext) => Promise<CommandResult>>> = {
  edit,

  view: async (path, { directory, env, disclose }) => {
    const text = await readSecrets({ root: directory, path, env })
    if (text === undefined) throw missing(path)
    disclose(text.reveal())
    return 0
  },

  encrypt: async (path, context) => {
    if (bytesOf(context.directory, path) === undefined) throw missing(path)
    return withLock(path, context, async () => {
      const bytes = bytesOf(context.directory, path) ?? new Uint8Array()
      if (isEncrypted(bytes)) {
        context.err(`${path} is already encrypted.\n`)
        return 0
      }
      await writeEncrypted(path, Buffer.from(bytes).toString(), bytes, context)
      context.err(`${path} is now encrypted. If it was committed before, change its secrets: the Git history still contains them.\n`)
      return 0
    })
  },

  rotate: async (path, context) => {
    const act = () => rotateAll(path, context)
    // A project may have identities and no secrets.
    return bytesOf(context.directory, path) === undefined ? act() : withLock(path, context, act)
  },
}

const rotateAll = async (path: string, { directory, env, err }: CommandContext): Promise<number> => {
  const text = await readSecrets({ root: directory, path, env })
  const secrets = text === undefined ? [] : [{ file: path, text, replace: (bytes: Uint8Array) => replace(directory, path, bytes) }]
  const { files, recipients } = await rotate(directory, env, secrets)
  if (files.length === 0) throw missing(path)
  const runs = renewerCount(directory)
  const scheduled = runs === 0 ? '' : `, and for ${count(runs, 'scheduled run')} in identities/renewal-recipients.txt`
  err(`Encrypted for ${count(recipients.length, 'recipient')} in identities/recipients.txt${scheduled}:\n`)
  for (const file of files) err(`  ${file}\n`)
  err('A removed recipient may have kept a copy. Change these secrets as well.\n')
  const { otherSecrets } = await import('./other-secrets.ts')
  err(skippedFiles(otherSecrets(directory, path)))
  return 0
}

/** `provision secrets`: manages the values that are encrypted beside the inventory. */
export const command = defineCommand({
  usage: ['secrets edit | encrypt | rotate', 'secrets view [FILE]'],
  options: inventoryOption,
  notes: [
    `Secrets are in secrets.yaml beside the inventory, which refers to them as \${secret:NAME}. They are encrypted for the age recipients in identities/recipients.txt, and decrypted with your key in ~/.config/provision/age.txt or $PROVISION_AGE_KEY_FILE.`,
    '`secrets edit` opens $VISUAL or $EDITOR. It creates the key and the file if they are missing.',
    '`secrets encrypt` encrypts a secrets.yaml that was written in plain text.',
    '`secrets view` prints secrets.yaml. `secrets view FILE` prints another encrypted file.',
    '`secrets rotate` encrypts secrets.yaml and the keys in identities/ again, for the current recipients. It lists the secrets of other inventories, but does not change them.',
    `A secret can also be the output of a command: \${command:pass show shop/password}.`,
  ],
  run: async ({ positionals: [name, ...more], values }, context) => {
    const names = Object.keys(actions)
    const isComplete = more.length === 0 || (name === 'view' && more.length === 1)
    const action = name !== undefined && isComplete && Object.hasOwn(actions, name) ? actions[name] : undefined
    if (action === undefined) {
      throw name === undefined
        ? usageError('secrets', 'no subcommand is given', `write one of: ${list(names)}`)
        : usageError('secrets', `unknown subcommand ${[name, ...more].join(' ')}`, suggestion(name, names, 'use a subcommand of secrets'))
    }
    return action(more[0] ?? secretsPathOf(context.directory, values.inventory), context)
  },
})

const missing = (path: string): Problem =>
  new Problem({ class: 'input', where: { file: path }, what: 'secrets file does not exist', fix: 'create it: provision secrets edit' })

/** Returns the encrypted files of other inventories with the command that rotates each. */
const skippedFiles = ({ files, isComplete }: OtherSecrets): string =>
  [
    ...(files.length === 0 ? [] : ['Not rotated, so former recipients can still decrypt:']),
    ...files.map((file) => `  ${file}: provision secrets rotate -i ${quote(dirname(file))}`),
    ...(isComplete ? [] : ['The project has too many directories; not all of them were searched.']),
  ]
    .map((line) => `${inLine(line)}\n`)
    .join('')
