/** HAProxy accepts at most 64 words per line. */
export const inLines = (all: readonly string[]): readonly (readonly string[])[] =>
  Array.from({ length: Math.ceil(all.length / 40) }, (_, i) => all.slice(i * 40, (i + 1) * 40))

export const lines = (all: readonly string[]): string => all.map((line) => `    ${line}\n`).join('')

/** A section of haproxy.cfg. */
export const section = (name: string, all: readonly string[]): string => `${name}\n${lines(all)}`
