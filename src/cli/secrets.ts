import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { isEncrypted } from '../identity/age.ts'
import { ensureAgeKey } from '../identity/age-key.ts'
import { rotate } from '../identity/rotate.ts'
import { Problem, problemsIn } from '../problem.ts'
import { quote } from '../quote.ts'
import { cards } from '../report/card.ts'
import { count } from '../report/text.ts'
import { readSecrets, secretsPathOf } from '../site/read.ts'
import { encryptSecrets } from '../site/secrets.ts'
import { list, suggestion } from '../site/suggest.ts'
import { defineCommand, type Ended, type Surroundings } from './command.ts'
import { inventoryOption } from './options.ts'
import type { Found } from './other-secrets.ts'
import { wrong } from './parse.ts'

const actions: Readonly<Record<string, (path: string, surroundings: Surroundings) => Promise<Ended>>> = {
  view: async (path, { directory, env, disclose }) => {
    const text = await readSecrets({ root: directory, path, env })
    if (text === undefined) throw missing(path)
    disclose(text.reveal())
    return 0
  },

  encrypt: async (path, surroundings) => {
    const full = resolve(surroundings.directory, path)
    if (!existsSync(full)) throw missing(path)
    const bytes = readFileSync(full)
    if (isEncrypted(bytes)) {
      surroundings.err(`${path} is encrypted already.\n`)
      return 0
    }
    await put(path, bytes.toString(), surroundings)
    surroundings.err(`${path} is encrypted. What was committed in the clear stays in the history: change those secrets.\n`)
    return 0
  },

  rotate: async (path, { directory, env, err }) => {
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
  },

  edit: async (path, surroundings) => {
    const { directory, env, err } = surroundings
    // Before anything is typed: whether we could read it back.
    await ensureAgeKey(directory, env)
    const before = (await readSecrets({ root: directory, path, env }))?.reveal()
    // In memory where the machine offers that; editors leave their own copies beside the file, so the folder goes as a whole.
    const desk = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'provision-'))
    const sheet = join(desk, basename(path))
    const clear = (): void => rmSync(desk, { recursive: true, force: true })
    process.once('exit', clear)
    try {
      writeFileSync(sheet, before ?? FRESH, { mode: 0o600 })
      for (;;) {
        open(sheet, env)
        const after = readFileSync(sheet, 'utf8')
        if (after === (before ?? FRESH)) {
          err('Nothing was changed.\n')
          return 0
        }
        if (await wasPut(path, after, surroundings)) return 0
      }
    } finally {
      clear()
      process.off('exit', clear)
    }
  },
}

/** `provision secrets`: values that lie encrypted beside the inventory. */
export const command = defineCommand({
  usage: ['secrets edit | encrypt | view | rotate'],
  options: inventoryOption,
  notes: [
    `Secrets stand in secrets.yaml beside the inventory, which uses them as \${secret:NAME}.`,
    'They are encrypted for the age recipients in identities/recipients.txt, and opened with your key in ~/.config/provision/age.txt',
    '(or $PROVISION_AGE_KEY_FILE); `secrets edit` makes what is missing. It opens $VISUAL or $EDITOR.',
    '`secrets rotate` encrypts them, and the keys in identities/, anew for those who are recipients now; it names the secrets of other',
    'inventories, which it leaves as they are.',
    `A secret can also come from a command of yours: \${command:pass show shop/password}.`,
  ],
  run: async ({ positionals: [name, ...more], values }, surroundings) => {
    const names = Object.keys(actions)
    const action = name !== undefined && more.length === 0 && Object.hasOwn(actions, name) ? actions[name] : undefined
    if (action === undefined) {
      throw name === undefined
        ? wrong('secrets', 'it needs to be told what to do', `write one of ${list(names)}`)
        : wrong('secrets', `it knows no ${[name, ...more].join(' ')}`, suggestion(name, names, 'write one of them'))
    }
    return action(secretsPathOf(surroundings.directory, values.inventory), surroundings)
  },
})

const FRESH = `# One secret a line, name: value; maps may be nested. The inventory uses it as \${secret:name}.\n`

const missing = (path: string): Problem =>
  new Problem({ class: 'input', where: { file: path }, what: 'there are no secrets yet', fix: 'write some: provision secrets edit' })

/** Encrypts and replaces the file. */
const put = async (path: string, text: string, { directory, env }: Surroundings): Promise<void> => {
  const { recipients } = await ensureAgeKey(directory, env)
  replace(directory, path, await encryptSecrets(path, text, recipients))
}

/** Replaces the file in one step; where a link leads to it, the file and not the link. */
const replace = (directory: string, path: string, bytes: Uint8Array): void => {
  const named = resolve(directory, path)
  const full = existsSync(named) ? realpathSync(named) : named
  writeFileSync(`${full}.new`, bytes)
  renameSync(`${full}.new`, full)
}

/** What else of the project is encrypted, and how each is encrypted anew. */
const untouched = ({ files, all }: Found): string =>
  [
    ...(files.length === 0 ? [] : ['Not touched, so that whoever could open them still can:']),
    ...files.map((file) => `  ${file}: provision secrets rotate -i ${quote(dirname(file))}`),
    ...(all ? [] : ['Not all of the project was looked through: it has too many directories.']),
  ]
    .map((line) => `${line}\n`)
    .join('')

/** False when it was wrong and shall be edited once more; what was typed is not lost for a missing colon. */
const wasPut = async (path: string, text: string, surroundings: Surroundings): Promise<boolean> => {
  try {
    await put(path, text, surroundings)
    return true
  } catch (error) {
    const problems = problemsIn(error)
    if (problems === undefined || surroundings.ask === undefined) throw error
    surroundings.err(cards(problems, surroundings.view))
    if (/^n/i.test(await surroundings.ask('Edit it again? [Y/n] '))) throw error
    return false
  }
}

const open = (sheet: string, env: Surroundings['env']): void => {
  const editor = env.VISUAL || env.EDITOR || 'vi'
  // As git does: the variable may hold options too.
  const { status, error } = spawnSync('sh', ['-c', `${editor} "$1"`, 'sh', sheet], { stdio: 'inherit' })
  if (error === undefined && status === 0) return
  throw wrong(
    'secrets edit',
    `the editor (${editor}) ended with exit ${status ?? 'by a signal'}: nothing was changed`,
    'name a working one in $EDITOR',
  )
}
