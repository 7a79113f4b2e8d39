import { z } from 'zod'

export const schema = z
  .strictObject({
    table: z
      .string()
      .regex(/^[a-z][a-z0-9_]*$/, 'must be a table name: lower-case letters, digits and _')
      .default('provision')
      .meta({ description: 'name of the table; other tables are never changed' }),
    family: z.enum(['inet', 'ip', 'ip6', 'arp', 'bridge', 'netdev']).default('inet'),
    rules: z
      .string()
      .refine((rules) => isBalanced(rules), 'must have balanced braces')
      .meta({ description: 'content of the table in the syntax of nft(8); ports as numbers, not names' }),
    confirmSeconds: z
      .int()
      .min(5)
      .max(600)
      .default(30)
      .meta({ description: 'time that the host waits for a new connection before it restores the old rules, in seconds' }),
  })
  .transform((spec) => ({ ...spec, text: tableText(spec) }))

export type NftablesSpec = z.output<typeof schema>

/** Braces in quotes or comments do not count. */
const isBalanced = (rules: string): boolean => {
  let depth = 0
  for (const brace of rules.replaceAll(/"[^"\n]*"|#[^\n]*/g, '').replaceAll(/[^{}]/g, '')) {
    depth += brace === '{' ? 1 : -1
    if (depth < 0) return false
  }
  return depth === 0
}

// The table is declared before it is deleted, so the deletion succeeds also if it is missing. All of it is one transaction.
const tableText = ({ table, family, rules }: { table: string; family: string; rules: string }): string =>
  `# Written by provision. Changes made here are found and undone by its next run.
table ${family} ${table}
delete table ${family} ${table}
table ${family} ${table} {
${rules.trimEnd()}
}
`
