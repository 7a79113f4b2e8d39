/** Replaces a secret in all output. */
export const MASK = '•••'
