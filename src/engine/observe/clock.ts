/** The host's clock in seconds since 1970: boot time plus uptime, both read without starting a program. */
const clockOf = (stdout: string): number | undefined => {
  const [, booted] = /^\/proc\/stat:btime (\d{1,12})$/m.exec(stdout) ?? []
  const [, up] = /^uptime (\d{1,12})(?:\.\d+)?$/m.exec(stdout) ?? []
  return booted === undefined || up === undefined ? undefined : Number(booted) + Number(up)
}

/** Certificates, one-time passwords and logs tolerate a minute. */
const TOLERANCE_SECONDS = 60

/**
 * A warning for a host whose clock differs by more than a minute, or undefined. `asked` and `answered` are the times of the request and
 * of its answer by this machine's clock, in milliseconds.
 */
export const clockFault = (stdout: string, asked: number, answered: number): string | undefined => {
  const seconds = clockOf(stdout)
  if (seconds === undefined) return undefined
  const host = seconds * 1000
  const off = host < asked - 1000 ? host - asked : host > answered ? host - answered : 0
  if (Math.abs(off) <= TOLERANCE_SECONDS * 1000) return undefined
  const way = off < 0 ? 'behind' : 'ahead of'
  return `clock of the host is ${formatDuration(Math.abs(off) / 1000)} ${way} the clock of this machine: certificates will seem ${off < 0 ? 'not valid yet' : 'expired'}, and TLS and ACME fail; set the clock that is wrong`
}

const formatDuration = (seconds: number): string => {
  const [size, unit] =
    seconds >= 172_800 ? [86_400, 'days'] : seconds >= 7200 ? [3600, 'hours'] : seconds >= 120 ? [60, 'minutes'] : [1, 'seconds']
  return `${Math.round(seconds / size)} ${unit}`
}
