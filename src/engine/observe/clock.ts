/** What a host's clock says, in seconds since 1970, by when it was booted and how long ago that is: no program has to be started for it. */
const clockOf = (stdout: string): number | undefined => {
  const [, booted] = /^\/proc\/stat:btime (\d{1,12})$/m.exec(stdout) ?? []
  const [, up] = /^uptime (\d{1,12})(?:\.\d+)?$/m.exec(stdout) ?? []
  return booted === undefined || up === undefined ? undefined : Number(booted) + Number(up)
}

/** A minute is what certificates, one-time passwords and logs put up with. */
const MOST_SECONDS = 60

/** What to say of a host whose clock is far from ours; `asked` and `answered` are when, by ours, in milliseconds. */
export const clockFault = (stdout: string, asked: number, answered: number): string | undefined => {
  const said = clockOf(stdout)
  if (said === undefined) return undefined
  const host = said * 1000
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
