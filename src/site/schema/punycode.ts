import { domainToASCII } from 'node:url'

// A host name, alone or in a mail address, a URL or an ssh destination.
const NAMED = /^([a-z][a-z0-9+.-]*:\/\/)?([\x21-\x7e]*@)?([^/:@\s]+)([:/][\x21-\x7e]*)?$/i

/** Returns a text with its internationalized host name in ASCII: `xn--bcher-kva.example` (RFC 5891); undefined if it has none. */
export const punycodeOf = (text: string): string | undefined => {
  const [, scheme = '', account = '', name = '', rest = ''] = NAMED.exec(text.normalize('NFC')) ?? []
  if (!/[^\x21-\x7e]/.test(name)) return undefined
  const ascii = domainToASCII(name)
  return ascii === '' ? undefined : `${scheme}${account}${ascii}${rest}`
}
