import { Secret, type Text, text } from 'provision'

export type Yaml = string | number | boolean | Secret | readonly Yaml[] | { readonly [key: string]: Yaml | undefined }

/** Renders a value as YAML. Undefined values are omitted, and strings are quoted where YAML would read them as another type. */
export const yaml = (value: Yaml): Text => ({ type: 'text', parts: [...text`# Written by provision.\n`.parts, ...linesOf(value, '')] })

type Part = string | Secret

const linesOf = (value: Yaml, indent: string): readonly Part[] => {
  if (isList(value)) return value.flatMap((one) => [`${indent}-`, ...after(one, indent, true)])
  return entries(value).flatMap(([key, one]) => [`${indent}${plain(key)}:`, ...after(one, indent, false)])
}

/** Text after `key:` or `-`. */
const after = (value: Yaml, indent: string, inList: boolean): readonly Part[] => {
  if (!isList(value) && !isMap(value)) return [' ', scalar(value), '\n']
  if (isList(value) ? value.length === 0 : entries(value).length === 0) return [isList(value) ? ' []\n' : ' {}\n']
  const inner = linesOf(value, `${indent}  `)
  if (!inList) return ['\n', ...inner]
  const [first = '', ...rest] = inner
  return [` ${String(first).trimStart()}`, ...rest]
}

const scalar = (value: string | number | boolean | Secret): Part => {
  if (value instanceof Secret) return new Secret(JSON.stringify(value.reveal()))
  return typeof value === 'string' ? plain(value) : String(value)
}

const plain = (word: string): string => (/^[A-Za-z/][A-Za-z0-9_./-]*$/.test(word) && !RESERVED.test(word) ? word : JSON.stringify(word))

const RESERVED = /^(true|false|yes|no|on|off|null|y|n)$/i

const isList = (value: Yaml): value is readonly Yaml[] => Array.isArray(value)
const isMap = (value: Yaml): value is { readonly [key: string]: Yaml | undefined } =>
  typeof value === 'object' && !isList(value) && !(value instanceof Secret)
const entries = (value: Yaml): readonly (readonly [string, Yaml])[] =>
  Object.entries(value as object).filter((entry): entry is [string, Yaml] => entry[1] !== undefined)
