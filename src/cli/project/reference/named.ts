import { shownText } from '../../../shown-name.ts'
import { suggestion } from '../../../site/source/suggest.ts'
import { usageError } from '../../parse.ts'
import { type OptionNode, optionAt } from './option-tree.ts'

/** A role or kind, and the path of one of its options. */
export interface Named<One> {
  readonly name: string
  readonly one: One
  readonly path: string
}

/** Returns the longest known name with which `NAME.option` begins, or undefined: names of packages can have dots. */
export const namedIn = <One>(all: ReadonlyMap<string, One>, text: string): Named<One> | undefined => {
  const parts = text.split('.')
  for (let length = parts.length; length > 0; length--) {
    const name = parts.slice(0, length).join('.')
    const one = all.get(name)
    if (one !== undefined) return { name, one, path: parts.slice(length).join('.') }
  }
  return undefined
}

/** Returns the option at a path, or throws a `Problem` with the most similar name. All options for an empty path. */
export const optionsFor = (
  command: 'roles' | 'kinds',
  { name, path }: Named<unknown>,
  options: readonly OptionNode[],
): readonly OptionNode[] => {
  if (path === '') return options
  const found = optionAt(options, path)
  if ('unknown' in found)
    throw usageError(
      command,
      `unknown option ${shownText(found.unknown)} in ${shownText(`${name}.${path}`)}`,
      suggestion(found.unknown, found.known, `run provision ${command} ${name}`),
    )
  return [found]
}
