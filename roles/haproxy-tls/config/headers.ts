import type { Options } from '../options.ts'

const HEADERS: Readonly<Record<string, string>> = {
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'SAMEORIGIN',
  'Referrer-Policy': 'strict-origin-when-cross-origin',
}

/** Lines that set the headers of every response, also of redirects and errors that HAProxy answers itself. */
export const headerLines = ({ headers, hsts_seconds }: Options): readonly string[] => {
  const wanted = new Map<string, string | false>(
    Object.entries({ 'Strict-Transport-Security': `max-age=${hsts_seconds}`, ...HEADERS, Server: false }),
  )
  for (const [name, value] of Object.entries(headers)) {
    const known = [...wanted.keys()].find((one) => one.toLowerCase() === name.toLowerCase())
    wanted.set(known ?? name, value)
  }
  return [...wanted].map(([name, value]) =>
    value === false
      ? `http-after-response del-header ${name}`
      : `http-after-response set-header ${name} "${value.replaceAll('%', '%%').replaceAll(/[\\$]/g, '\\$&')}"`,
  )
}
