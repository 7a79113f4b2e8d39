/** Words of PromQL that are operators, or belong to one. */
const WORDS = new Set('by without on ignoring group_left group_right bool offset and or unless atan2 start end'.split(' '))

const AGGREGATIONS = 'sum min max avg group stddev stdvar count count_values bottomk topk quantile limitk limit_ratio'

const FUNCTIONS = `abs absent absent_over_time acos acosh asin asinh atan atanh avg_over_time ceil changes clamp clamp_max clamp_min cos
  cosh count_over_time day_of_month day_of_week day_of_year days_in_month deg delta deriv exp floor histogram_avg histogram_count
  histogram_fraction histogram_quantile histogram_stddev histogram_stdvar histogram_sum holt_winters hour idelta increase irate label_join
  label_replace last_over_time ln log10 log2 mad_over_time max_over_time min_over_time minute month pi predict_linear present_over_time
  quantile_over_time rad rate resets round scalar sgn sin sinh sort sort_by_label sort_by_label_desc sort_desc sqrt stddev_over_time
  stdvar_over_time sum_over_time tan tanh time timestamp vector year`

const CALLABLE = new Set([...AGGREGATIONS.split(' '), ...FUNCTIONS.split(/\s+/), ...WORDS])

const TOKEN =
  /\s+|#.*|(?<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)|(?<range>\[[0-9a-z: ]+\])|(?<open>[({])|(?<close>[)}])|(?<word>[A-Za-z_:][A-Za-z0-9_:]*)|(?<number>[0-9]+(?:(?:ms|[smhdwy])(?:[0-9]+(?:ms|[smhdwy]))*|x[0-9a-fA-F]+|(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)|\.[0-9]+)|(?<operator>==|!=|>=|<=|=~|!~|[-+*/%^<>=,@])/uy

const PAIRS: Readonly<Record<string, string>> = { ')': '(', '}': '{' }

/**
 * Fault of an expression in PromQL that can be seen without Prometheus: an unknown character or function, brackets that do not match, a
 * missing operator or operand. promtool on the monitoring server checks the rest.
 */
export const expressionFault = (expr: string): string | undefined => {
  const open: string[] = []
  let before = ''
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < expr.length) {
    const at = TOKEN.lastIndex
    const groups = TOKEN.exec(expr)?.groups
    if (groups === undefined) return `has an unexpected ${JSON.stringify(expr.slice(at, at + 12))} at character ${at + 1}`
    const [kind, value] = Object.entries(groups).find(([, one]) => one !== undefined) ?? []
    if (kind === undefined || value === undefined) continue
    const isOperand = kind === 'text' || kind === 'number' || (kind === 'word' && !WORDS.has(value.toLowerCase()))
    if (isOperand && before === 'operand') return `lacks an operator before ${value} at character ${at + 1}`
    if (kind === 'open') {
      if (value === '(' && before === 'operand' && !CALLABLE.has(wordBefore(expr, at).toLowerCase()))
        return `has no function ${wordBefore(expr, at)}`
      open.push(value)
    }
    if (kind === 'close' && open.pop() !== PAIRS[value]) return `has a ${value} at character ${at + 1} that closes no bracket`
    before = isOperand ? 'operand' : kind
    if (kind === 'word' && !isOperand) before = 'operator'
  }
  if (open.length > 0) return `has a ${open.at(-1)} that is not closed`
  if (before === '') return 'must be an expression in PromQL such as shop_queue_length > 100'
  return before === 'operator' ? 'ends with an operator' : undefined
}

const wordBefore = (expr: string, at: number): string => /([A-Za-z_:][A-Za-z0-9_:]*)\s*$/.exec(expr.slice(0, at))?.[1] ?? ''

/** Fault of a text with templates of Go: braces that do not match. */
export const templateFault = (text: string): string | undefined => {
  const rest = text.replaceAll(/\{\{(?:[^{}"`]|"(?:[^"\\]|\\.)*"|`[^`]*`)*\}\}/g, '')
  return /\{\{|\}\}/.test(rest) ? 'has a {{ or }} without its pair' : undefined
}
