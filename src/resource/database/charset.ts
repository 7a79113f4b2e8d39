import { z } from 'zod'

/** Character sets of MariaDB 10.6 to 11.8. */
const CHARSETS =
  'armscii8 ascii big5 binary cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 cp932 dec8 eucjpms euckr gb2312 gbk geostd8 greek hebrew hp8 keybcs2 koi8r koi8u latin1 latin2 latin5 latin7 macce macroman sjis swe7 tis620 ucs2 ujis utf16 utf16le utf32 utf8mb3 utf8mb4'.split(
    ' ',
  )

/** Collation of utf8mb4, unless another one is declared. Every server has it. */
export const COLLATION = 'utf8mb4_unicode_ci'

/** Collations without the name of a character set in front: `uca1400_ai_ci`. */
const GENERAL = /^uca1400_/

export const charset = z.string().refine((name) => CHARSETS.includes(name), {
  error: 'must be a character set of MariaDB',
  params: { fix: `write utf8mb4, which has all characters, or one of ${CHARSETS.filter((name) => name !== 'utf8mb4').join(', ')}` },
})

export const collation = z.string().regex(/^[a-z0-9_]{1,64}$/, 'must be a collation such as utf8mb4_unicode_ci')

interface Collated {
  readonly charset: string
  readonly collation?: string | undefined
}

/** The collation of a database, with its character set; undefined for the server's own for this character set. */
export const collationOf = (given: Collated): string | undefined => {
  if (given.collation === undefined) return given.charset === 'utf8mb4' ? COLLATION : undefined
  return GENERAL.test(given.collation) ? `${given.charset}_${given.collation}` : given.collation
}

/** For `superRefine`: refuses a collation of another character set. */
export const refuseOtherCharset = (given: Collated, context: z.RefinementCtx): void => {
  const name = given.collation
  if (name === undefined || GENERAL.test(name) || name === given.charset || name.startsWith(`${given.charset}_`)) return
  const charset = CHARSETS.find((one) => name.startsWith(`${one}_`))
  context.addIssue({
    code: 'custom',
    path: ['collation'],
    message: `is not a collation of the character set ${given.charset}`,
    params: {
      fix: `remove it for the usual collation of ${given.charset}${charset === undefined ? '' : `, or set \`charset: ${charset}\``}`,
    },
  })
}
