/** Beginning of the first line of a dump. Its time, log and position of the server, and its host follow. */
export const HEADER = '-- Written by provision at'
