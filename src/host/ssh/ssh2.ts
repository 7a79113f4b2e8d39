/** ssh2, loaded when the first connection is made: it takes longer to load than everything else, and most commands need none. */
export const loadSsh2 = async (): Promise<typeof import('ssh2')> => (await import('ssh2')).default
