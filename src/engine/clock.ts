/** One process: no builtin of dash knows the time. */
export const CLOCK_SCRIPT = `printf 'clock %s\\n' "$(date +%s)"\n`

/** A minute is what certificates, one-time passwords and logs put up with. */
const MOST_SECONDS = 60

/** What to say of a host whose clock is far from ours; `asked` and `answered` are when, by ours, in milliseconds. */
export const clockFault = (stdout: string, asked: number, answered: number): string | undefined => {
  const [, said] = /^clock (\d{1,12})$/m.exec(stdout) ?? []
  if (said === undefined) return undefined
  const host = Number(said) * 1000
  const off = host < asked - 1000 ? host - asked : host > answered ? host - answered : 0
  if (Math.abs(off) <= MOST_SECONDS * 1000) return undefined
  const way = off < 0 ? 'behind' : 'ahead of'
  return `the clock of the host is ${inWords(Math.abs(off) / 1000)} ${way} that of this machine: certificates will seem ${off < 0 ? 'not valid yet' : 'expired'}, and TLS and ACME fail; set the one that is wrong`
}

const inWords = (seconds: number): string => {
  const [size, unit] =
    seconds >= 172_800 ? [86_400, 'days'] : seconds >= 7200 ? [3600, 'hours'] : seconds >= 120 ? [60, 'minutes'] : [1, 'seconds']
  return `${Math.round(seconds / size)} ${unit}`
}
