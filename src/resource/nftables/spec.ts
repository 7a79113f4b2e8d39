import { z } from 'zod'

export const schema = z
  .strictObject({
    table: z
      .string()
      .regex(/^[a-z][a-z0-9_]*$/, 'must be a table name: small letters, digits and _')
      .default('provision')
      .meta({ description: 'our table; those of others are never touched' }),
    family: z.enum(['inet', 'ip', 'ip6', 'arp', 'bridge', 'netdev']).default('inet'),
    rules: z
      .string()
      .refine((rules) => isBalanced(rules), 'has a brace too many or too few: it would end our table early')
      .meta({ description: 'what stands between the braces of the table (nft(8)); numbers, not names, for ports' }),
    confirmSeconds: z
      .int()
      .min(5)
      .max(600)
      .default(30)
      .meta({ description: 'how long the host waits for somebody to come in through new rules before it puts the old ones back' }),
  })
  .transform((spec) => ({ ...spec, text: tableText(spec) }))

export type NftablesSpec = z.output<typeof schema>

/** What lies in quotes or behind a # is no brace to nft. */
const isBalanced = (rules: string): boolean => {
  let depth = 0
  for (const brace of rules.replaceAll(/"[^"\n]*"|#[^\n]*/g, '').replaceAll(/[^{}]/g, '')) {
    depth += brace === '{' ? 1 : -1
    if (depth < 0) return false
  }
  return depth === 0
}

// Declaring the table before deleting it makes this work whether or not there is one; all of it is one transaction.
const tableText = ({ table, family, rules }: { table: string; family: string; rules: string }): string =>
  `# Written by provision. Changes made here are found and undone by its next run.
table ${family} ${table}
delete table ${family} ${table}
table ${family} ${table} {
${rules.trimEnd()}
}
`
