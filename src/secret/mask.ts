/** What stands in every output where a secret would be. */
export const MASK = '•••'
