/** Whether a number of YAML has exactly the written value. JavaScript holds about 16 digits. */
export const isExact = (written: string, value: number): boolean => {
  if (/^[-+]?\.(inf|nan)$/i.test(written)) return true
  return /^0[ox]/.test(written) ? Number.isSafeInteger(value) : decimal(written) === decimal(String(value))
}

/** Returns the digits of a decimal number without zeros at both ends, and its exponent: `11e-1` of 1.10. */
const decimal = (text: string): string => {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = /^([-+]?)(\d*)\.?(\d*)(?:e([-+]?\d+))?$/i.exec(text) ?? ['', text]
  const digits = `${whole}${fraction}`.replace(/^0+/, '')
  const significant = digits.replace(/0+$/, '')
  const power = Number(exponent) - fraction.length + digits.length - significant.length
  return significant === '' ? sign.replace(/^[-+]$/, '') : `${sign === '-' ? '-' : ''}${significant}e${power}`
}
