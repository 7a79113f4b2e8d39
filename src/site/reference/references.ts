import type { Problem } from '../../problem.ts'
import { isSecret, Secret } from '../../secret/secret.ts'
import { complaint, type Place } from '../source/complaint.ts'
import { entriesOf, entryOf, type Written, type WrittenScalar } from '../source/source-map.ts'
import { nearest, suggestion } from '../source/suggest.ts'
import type { FromCommand } from './command-source.ts'
import { ifTooShort } from './short-secret.ts'

/** What a reference may refer to. */
export interface Sources {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly command: (line: string) => FromCommand
  /** The decrypted secrets; undefined where there are none, or they could not be read (which was reported then). */
  readonly secrets: Written | undefined
  readonly secretsPath: string
  readonly secretsUnreadable: boolean
}

type Resolved =
  | { readonly value: WrittenScalar['value']; readonly warnings?: readonly Problem[] }
  | { readonly problem: Problem | undefined }

const REFERENCE = /\$?\$\{([A-Za-z]+):([^}]*)\}/g

/**
 * A text with its references filled in: `${env:NAME}` and `${secret:path.to.it}` make the whole text a secret,
 * `${command:…}` is what a command of the user's prints, a secret as well; `${env:NAME:plain}` is none, `$${env:NAME}` stands for itself. Other `${…}` are left alone: they are somebody else's language.
 */
export const resolveReferences = (text: string, bare: boolean, place: Place, sources: Sources): Resolved => {
  if (!text.includes('${')) return { value: text }
  const parts: (string | Secret)[] = []
  const warnings: Problem[] = []
  let end = 0
  for (const match of text.matchAll(REFERENCE)) {
    const [whole, word = '', name = ''] = match
    parts.push(text.slice(end, match.index))
    end = match.index + whole.length
    const resolved = whole.startsWith('$$') ? escaped(whole, word) : resolve({ whole, word, name }, place, sources)
    if ('problem' in resolved) return resolved
    parts.push(resolved.part)
    warnings.push(...ifTooShort(resolved.part, place, shortened(whole)))
  }
  parts.push(text.slice(end))
  if (parts.some(isSecret)) return { value: new Secret(parts.map((part) => (isSecret(part) ? part.reveal() : part)).join('')), warnings }
  const filled = parts.join('')
  return { value: bare && filled !== text ? asNumberOrBoolean(filled) : filled }
}

type Part = { readonly part: string | Secret } | { readonly problem: Problem | undefined }

/** `${env:NAME}`: the whole of it, its word, and what stands behind that. */
interface Reference {
  readonly whole: string
  readonly word: string
  readonly name: string
}

const KINDS = ['env', 'secret', 'command']

const escaped = (whole: string, word: string): Part => ({ part: KINDS.includes(word) ? whole.slice(1) : whole })

const resolve = ({ whole, word, name }: Reference, place: Place, sources: Sources): Part => {
  if (word === 'env') return fromEnvironment(name, place, sources)
  if (word === 'command') return fromCommand(name, place, sources)
  if (word === 'secret') return fromSecrets(name, place, sources)
  const meant = nearest(word, KINDS)
  if (meant === undefined) return { part: whole }
  return {
    problem: complaint(
      place,
      `\`${word}:\` refers to nothing`,
      `did you mean \`\${${meant}:${name}}\`? A \`$\` before it lets it stand for itself`,
    ),
  }
}

const fromEnvironment = (written: string, place: Place, { env }: Sources): Part => {
  const [name = '', manner, ...rest] = written.split(':')
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || rest.length > 0 || (manner !== undefined && manner !== 'plain')) {
    return {
      problem: complaint(
        place,
        `\`\${env:${written}}\` is not well formed`,
        `write \${env:NAME} for a secret, \${env:NAME:plain} for anything else`,
      ),
    }
  }
  const value = Object.hasOwn(env, name) ? env[name] : undefined
  if (value === undefined || value === '') {
    const state = value === undefined ? 'not set' : 'empty'
    return { problem: complaint(place, `the environment variable ${name} is ${state}`, `set it before you start: export ${name}=…`) }
  }
  return { part: manner === 'plain' ? value : new Secret(value) }
}

const fromCommand = (line: string, place: Place, { command }: Sources): Part => {
  if (line.trim() === '')
    return { problem: complaint(place, `\`\${command:}\` names no command`, `write \${command:pass show shop/password}`) }
  const found = command(line)
  if ('secret' in found) return { part: found.secret }
  return {
    problem: complaint(
      place,
      `the command \`${shortened(line)}\` ${found.failed}`,
      'try it by hand in the project; it gets no input, and what it says is shown to nobody',
    ),
  }
}

const shortened = (words: string): string => (words.length > 60 ? `${words.slice(0, 60)}…` : words)

const fromSecrets = (path: string, place: Place, { secrets, secretsPath, secretsUnreadable }: Sources): Part => {
  if (secretsUnreadable) return { problem: undefined }
  const edit = `add it with \`provision secrets edit\``
  if (secrets === undefined)
    return { problem: complaint(place, `there is no ${secretsPath} to take \`${path}\` from`, `make it with \`provision secrets edit\``) }
  let node: Written = secrets
  for (const step of path.split('.')) {
    const next = entryOf(node, step)
    if (next === undefined) {
      const known = entriesOf(node).map(([key]) => key)
      return { problem: complaint(place, `${secretsPath} has no \`${path}\``, suggestion(step, known, edit)) }
    }
    node = next.node
  }
  if (node.is !== 'scalar' || node.value === null) {
    return {
      problem: complaint(
        place,
        `\`${path}\` in ${secretsPath} is no single value`,
        `name one value inside it, for instance \${secret:${path}.password}`,
      ),
    }
  }
  return { part: isSecret(node.value) ? node.value : new Secret(String(node.value)) }
}

// A port or a switch from the environment should be one, as if it had been written here; within quotes it stays text.
const asNumberOrBoolean = (text: string): string | number | boolean => {
  if (/^(0|-?[1-9][0-9]{0,14})$/.test(text)) return Number(text)
  return text === 'true' || text === 'false' ? text === 'true' : text
}
