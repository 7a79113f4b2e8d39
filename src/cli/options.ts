import type { Options } from './command.ts'

/** The option for the inventory, shared by several commands. */
export const inventoryOption = {
  inventory: { type: 'string', short: 'i', value: 'PATH', help: 'inventory file or directory' },
} as const satisfies Options
