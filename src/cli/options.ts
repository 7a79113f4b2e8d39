import type { Options } from './command.ts'

/** Which inventory; several commands take it. */
export const inventoryOption = {
  inventory: { type: 'string', short: 'i', value: 'PATH', help: 'inventory file or folder' },
} as const satisfies Options
