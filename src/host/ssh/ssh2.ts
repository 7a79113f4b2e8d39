/** Loads ssh2 on first use: it takes longer to load than everything else, and most commands do not connect. */
export const loadSsh2 = async (): Promise<typeof import('ssh2')> => (await import('ssh2')).default
