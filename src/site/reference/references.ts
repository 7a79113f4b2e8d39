import type { Environment } from '../../environment.ts'
import type { Problem } from '../../problem.ts'
import { isSecret, Secret } from '../../secret/secret.ts'
import { shownText } from '../../shown-name.ts'
import { inputProblem, type Place } from '../source/input-problem.ts'
import { entriesOf, entryOf, type ScalarPart, type SourceNode, type SourceScalar } from '../source/source-map.ts'
import { nearest, suggestion } from '../source/suggest.ts'
import type { CommandOutput } from './command-source.ts'
import { shortSecretWarnings } from './short-secret.ts'

/** Sources of the values of references. */
export interface Sources {
  readonly env: Environment
  readonly command: (line: string) => CommandOutput
  /** Decrypted secrets; undefined if they do not exist or could not be read. */
  readonly secrets: SourceNode | undefined
  readonly secretsPath: string
  readonly secretsUnreadable: boolean
  /** The text is part of a package, which may refer to none of these. */
  readonly isPackaged?: boolean
}

type Resolved =
  | { readonly value: SourceScalar['value']; readonly warnings?: readonly Problem[]; readonly parts?: readonly ScalarPart[] }
  | { readonly problem: Problem | undefined }

const REFERENCE = /\$?\$\{([A-Za-z]+):([^}]*)\}/g

/**
 * Resolves the references in a text. `${env:NAME}`, `${secret:path.to.it}` and `${command:…}` (the output of a command) make the whole
 * text a secret; `${env:NAME:plain}` does not. `$${env:NAME}` is a literal `${env:NAME}`. Any other `${…}` is left unchanged.
 */
export const resolveReferences = (text: string, bare: boolean, place: Place, sources: Sources): Resolved => {
  if (!text.includes('${')) return { value: text }
  const parts: ScalarPart[] = []
  const warnings: Problem[] = []
  let end = 0
  for (const match of text.matchAll(REFERENCE)) {
    const [whole, type = '', name = ''] = match
    parts.push({ written: text.slice(end, match.index) })
    end = match.index + whole.length
    const resolved = whole.startsWith('$$') ? escaped(whole, type) : resolve({ whole, type, name }, place, sources)
    if ('problem' in resolved) return resolved
    parts.push({ value: resolved.part })
    warnings.push(...shortSecretWarnings(resolved.part, place, shownText(whole)))
  }
  if (end === 0) return { value: text }
  parts.push({ written: text.slice(end) })
  const pieces = parts.map((part) => ('value' in part ? part.value : part.written))
  if (pieces.some(isSecret))
    return { value: new Secret(pieces.map((piece) => (isSecret(piece) ? piece.reveal() : piece)).join('')), warnings, parts }
  const result = pieces.join('')
  return { value: bare && result !== text ? asNumberOrBoolean(result) : result, parts }
}

type Part = { readonly part: string | Secret } | { readonly problem: Problem | undefined }

/** `${env:NAME}`: the whole reference, its type `env` and its argument `NAME`. */
interface Reference {
  readonly whole: string
  readonly type: string
  readonly name: string
}

const TYPES = ['env', 'secret', 'command']

const escaped = (whole: string, type: string): Part => ({ part: TYPES.includes(type) ? whole.slice(1) : whole })

const resolve = ({ whole, type, name }: Reference, place: Place, sources: Sources): Part => {
  if (sources.isPackaged === true && TYPES.includes(type))
    return {
      problem: inputProblem(
        place,
        `\`${shownText(whole)}\` is not allowed in a package`,
        `declare an option, and write \${options.NAME}; a project sets it to this reference`,
        'a package does not choose what it reads of a project and its secrets',
      ),
    }
  if (type === 'env') return fromEnvironment(name, place, sources)
  if (type === 'command') return fromCommand(name, place, sources)
  if (type === 'secret') return fromSecrets(name, place, sources)
  const meant = nearest(type, TYPES)
  if (meant === undefined) return { part: whole }
  return {
    problem: inputProblem(
      place,
      `unknown reference type \`${shownText(type)}:\``,
      `did you mean \`\${${meant}:${shownText(name)}}\`? For literal text, write \`$${shownText(whole)}\``,
    ),
  }
}

const fromEnvironment = (argument: string, place: Place, { env }: Sources): Part => {
  const [name = '', modifier, ...rest] = argument.split(':')
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || rest.length > 0 || (modifier !== undefined && modifier !== 'plain')) {
    return {
      problem: inputProblem(
        place,
        `invalid reference \`\${env:${shownText(argument)}}\``,
        `write \${env:NAME} for a secret, or \${env:NAME:plain} for a value that is not secret`,
      ),
    }
  }
  const value = Object.hasOwn(env, name) ? env[name] : undefined
  if (value === undefined || value === '') {
    const state = value === undefined ? 'not set' : 'empty'
    return { problem: inputProblem(place, `environment variable ${shownText(name)} is ${state}`, `set it: export ${shownText(name)}=…`) }
  }
  return { part: modifier === 'plain' ? value : new Secret(value) }
}

const fromCommand = (line: string, place: Place, { command }: Sources): Part => {
  if (line.trim() === '')
    return {
      problem: inputProblem(
        place,
        `\`\${command:}\` contains no command`,
        `add a command, for example \${command:pass show shop/password}`,
      ),
    }
  const output = command(line)
  if ('secret' in output) return { part: output.secret }
  return {
    problem: inputProblem(
      place,
      `command \`${shownText(line)}\` ${output.failed}`,
      'run it in a shell in the project directory; provision gives it no input and hides its output',
    ),
  }
}

const fromSecrets = (path: string, place: Place, { secrets, secretsPath, secretsUnreadable }: Sources): Part => {
  if (secretsUnreadable) return { problem: undefined }
  const edit = 'add it with `provision secrets edit`'
  if (secrets === undefined)
    return {
      problem: inputProblem(
        place,
        `\`${shownText(path)}\` cannot be read: ${secretsPath} does not exist`,
        'create it with `provision secrets edit`',
      ),
    }
  let node: SourceNode = secrets
  for (const step of path.split('.')) {
    const next = entryOf(node, step)
    if (next === undefined) {
      const known = entriesOf(node).map(([key]) => key)
      return { problem: inputProblem(place, `${secretsPath} has no \`${shownText(path)}\``, suggestion(step, known, edit)) }
    }
    node = next.node
  }
  if (node.is !== 'scalar' || node.value === null) {
    return {
      problem: inputProblem(
        place,
        `\`${shownText(path)}\` in ${secretsPath} is not a single value`,
        `name a value in it, for example \${secret:${shownText(path)}.password}`,
      ),
    }
  }
  return { part: isSecret(node.value) ? node.value : new Secret(node.written ?? String(node.value)) }
}

// An unquoted number or boolean from the environment has that type, as in YAML.
const asNumberOrBoolean = (text: string): string | number | boolean => {
  if (/^(0|-?[1-9][0-9]{0,14})$/.test(text)) return Number(text)
  return text === 'true' || text === 'false' ? text === 'true' : text
}
