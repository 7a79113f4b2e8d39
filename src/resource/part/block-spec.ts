import { z } from 'zod'
import { contentOption } from '../file/spec.ts'
import { asContent, asText, bytesOf, hasSecret, isKnown } from '../kind/content.ts'
import { counted } from '../kind/differences.ts'
import { type EditResult, inserted, unchanged } from './edit.ts'
import { common, hasOnePlace, isOneLine, ONE_PLACE, place, revealed } from './options.ts'
import { positionIn } from './place.ts'
import { asIn, splice, type TextFile } from './text.ts'

const marker = z.string().min(1).refine(isOneLine, 'must be one line')

const options = z.strictObject({
  ...common,
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9 ._:-]*$/, 'must be a name: letters, digits, spaces and . _ : -')
    .meta({ description: 'name of the block in its markers; it distinguishes several blocks of a file', examples: ['mirrors'] }),
  block: contentOption
    .optional()
    .transform((content) => (content === undefined ? undefined : asContent(content)))
    .meta({ description: 'the lines between the markers: text, or a file of the project', examples: ['10.0.0.1 a\n10.0.0.2 b\n'] }),
  comment: marker.default('#').meta({ description: 'text that begins a comment, for the markers', examples: ['//', '<!--'] }),
  commentEnd: z
    .string()
    .refine(isOneLine, 'must be a part of one line')
    .default('')
    .meta({ description: 'text that ends a comment, for the markers', examples: ['-->'] }),
  begin: marker.optional().meta({
    description: 'the whole line before the block, in place of the marker with the name; it takes over a block that another program wrote',
    examples: ['# BEGIN ANSIBLE MANAGED BLOCK'],
  }),
  end: marker.optional().meta({ description: 'the whole line after the block', examples: ['# END ANSIBLE MANAGED BLOCK'] }),
  state: z.enum(['present', 'absent']).default('present').meta({ description: '`absent` deletes the block with its markers' }),
  ...place,
})

type Options = z.output<typeof options>

const markersOf = ({ name, comment, commentEnd, begin, end }: Omit<Options, 'block'>): readonly [string, string] => {
  const line = (word: string): string => `${comment} ${word} provision ${name}${commentEnd === '' ? '' : ` ${commentEnd}`}`
  return [begin ?? line('BEGIN'), end ?? line('END')]
}

/** Whether a content is text: not binary, without control characters but tabs and ends of lines. */
const isText = (content: NonNullable<Options['block']>): boolean => {
  const text = asText(bytesOf(content))
  return text?.split('\n').every((line) => isOneLine(line.replace(/\r$/, ''))) === true
}

export const schema = options
  .refine(hasOnePlace, { message: ONE_PLACE, path: ['at'] })
  .refine(({ begin, end }) => (begin === undefined) === (end === undefined) && (begin === undefined || begin !== end), {
    message: 'must be given together with begin, and differ from it',
    path: ['end'],
  })
  .refine(({ state, block }) => state === 'absent' || block !== undefined, {
    message: 'must be given, unless state is absent',
    path: ['block'],
  })
  .refine(({ block }) => block === undefined || isKnown(block), { message: 'must be text that is known before the run', path: ['block'] })
  .refine(({ block }) => block === undefined || !isKnown(block) || isText(block), {
    message: 'must be text without control characters',
    path: ['block'],
  })
  .refine(({ block }) => block === undefined || !isKnown(block) || revealed(block).trim() !== '', {
    message: 'must not be empty: declare the block with state: absent',
    path: ['block'],
  })
  .refine(
    (one) => one.block === undefined || !isKnown(one.block) || !linesOf(revealed(one.block)).some((line) => markersOf(one).includes(line)),
    {
      message: 'must not contain a line that is one of its markers',
      path: ['block'],
    },
  )
  .transform((spec) => ({ ...spec, part: 'block' as const, secret: spec.block !== undefined && hasSecret(spec.block) }))

export type BlockSpec = z.output<typeof schema>

const linesOf = (text: string): readonly string[] =>
  text
    .replace(/\r?\n$/, '')
    .split('\n')
    .map((line) => line.replace(/\r$/, ''))

/** Returns the identity: the path with the name. */
export const blockId = ({ path, name }: BlockSpec): string => `${path}#${name}`

/** Returns the block for a plan. */
export const shownBlock = ({ block }: BlockSpec): string | undefined =>
  block === undefined ? undefined : counted(linesOf(revealed(block)).length, 'line')

/** Edits a file as a block declares it. A block that is there stays at its place. */
export const editBlock = (spec: BlockSpec, file: TextFile): EditResult => {
  const [begin, end] = markersOf(spec).map((line) => asIn(file, line))
  const texts = file.lines.map(({ text }) => text)
  const [begins, ends] = [begin, end].map((marker) => texts.flatMap((text, i) => (text === marker ? [i] : [])))
  const [from, to] = [begins?.[0], ends?.[0]]
  if (begins?.length !== ends?.length || (begins?.length ?? 0) > 1 || (from !== undefined && to !== undefined && from > to))
    return {
      what: `the markers of block ${spec.name} are no pair`,
      why: `the file has ${counted(begins?.length ?? 0, 'line')} ${JSON.stringify(begin)} and ${counted(ends?.length ?? 0, 'line')} ${JSON.stringify(end)}`,
      fix: 'correct the file by hand: it must have both lines once, or neither',
    }
  const former = from === undefined || to === undefined ? undefined : texts.slice(from, to + 1)
  if (spec.state === 'absent')
    return former === undefined ? unchanged(file) : { file: splice(file, from ?? 0, former.length, []), pieces: [] }
  const wrote = [begin ?? '', ...linesOf(asIn(file, spec.block === undefined ? '' : revealed(spec.block))), end ?? '']
  if (former === undefined) {
    const at = positionIn(file, spec)
    return typeof at === 'number' ? inserted(file, at, wrote) : at
  }
  if (former.join('\n') === wrote.join('\n')) return unchanged(file)
  return { file: splice(file, from ?? 0, former.length, wrote), pieces: [{ wrote, former }] }
}
