import { z } from 'zod'
import type { Flavour } from './flavour.ts'

/** Character sets of MariaDB 10.6 to 11.8. MySQL 8.4 has all of them, and gb18030. */
const CHARSETS =
  'armscii8 ascii big5 binary cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 cp932 dec8 eucjpms euckr gb2312 gbk geostd8 greek hebrew hp8 keybcs2 koi8r koi8u latin1 latin2 latin5 latin7 macce macroman sjis swe7 tis620 ucs2 ujis utf16 utf16le utf32 utf8mb3 utf8mb4'.split(
    ' ',
  )

/** Collation of utf8mb4, unless another one is declared. Every server of the flavour has it. */
export const COLLATION: Readonly<Record<Flavour, string>> = { mariadb: 'utf8mb4_unicode_ci', mysql: 'utf8mb4_0900_ai_ci' }

/** Collations without the name of a character set in front: `uca1400_ai_ci`. */
const GENERAL = /^uca1400_/

export const charset = z.string().refine((name) => CHARSETS.includes(name), {
  error: 'must be a character set of MariaDB',
  params: { fix: `write utf8mb4, which has all characters, or one of ${CHARSETS.filter((name) => name !== 'utf8mb4').join(', ')}` },
})

export const collation = z.string().regex(/^[a-z0-9_]{1,64}$/, 'must be a collation such as utf8mb4_unicode_ci')

interface Collated {
  readonly flavour?: Flavour
  readonly charset: string
  readonly collation?: string | undefined
}

/** The collation of a database, with its character set; undefined for the server's own for this character set. */
export const collationOf = (given: Collated): string | undefined => {
  if (given.collation === undefined) return given.charset === 'utf8mb4' ? COLLATION[given.flavour ?? 'mariadb'] : undefined
  return GENERAL.test(given.collation) ? `${given.charset}_${given.collation}` : given.collation
}

/** Why MySQL does not have a declared collation of MariaDB, by its name; undefined if it may have it. The server knows the others. */
export const charsetFault = ({ collation }: Collated, flavour: Flavour): { readonly message: string; readonly fix: string } | undefined =>
  flavour === 'mysql' &&
  collation !== undefined &&
  (GENERAL.test(collation) || collation.includes('_uca1400_') || collation.includes('_nopad_'))
    ? {
        message: 'is a collation of MariaDB, which MySQL does not have',
        fix: `remove it for ${COLLATION.mysql}, or choose one that \`SHOW COLLATION\` lists`,
      }
    : undefined

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
