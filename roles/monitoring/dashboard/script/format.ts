/** Elements, numbers and times of the page. */
export const FORMAT = `'use strict'
const SVG = 'http://www.w3.org/2000/svg'
const make = (name, attributes, ...children) => {
  const node = SHAPES.includes(name) ? document.createElementNS(SVG, name) : document.createElement(name)
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value)
  node.append(...children)
  return node
}
const SHAPES = ['svg', 'line', 'polyline', 'text']
const short = (value) => {
  if (value === 0) return '0'
  for (const [size, mark] of [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']]) if (Math.abs(value) >= size) return Number((value / size).toPrecision(3)) + mark
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(2)))
}
const WORDS = {
  plain: short,
  bytes: (value) => short(value).replace(/([kMG]?)$/, ' $1B') + '/s',
  memory: (value) => short(value).replace(/([kMG]?)$/, ' $1B'),
  part: (value) => short(value * 100) + '%',
  seconds: (value) => (value < 1 ? short(value * 1000) + ' ms' : short(value) + ' s'),
}
const two = (number) => String(number).padStart(2, '0')
const dateOf = (seconds) => { const date = new Date(seconds * 1000); return [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-') }
const clock = (seconds) => { const date = new Date(seconds * 1000); return two(date.getHours()) + ':' + two(date.getMinutes()) }
const now = () => Date.now() / 1000
const moment = (seconds) => (dateOf(seconds) === dateOf(now()) ? '' : dateOf(seconds) + ' ') + clock(seconds)
const span = (seconds) => {
  const minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60)
  if (minutes < 1) return Math.max(0, Math.floor(seconds)) + ' s'
  if (hours < 1) return minutes + ' min'
  return hours < 48 ? hours + ' h ' + (minutes % 60) + ' min' : Math.floor(hours / 24) + ' d ' + (hours % 24) + ' h'
}
const listOf = (values) => [...new Set(values.filter(Boolean))].sort()
const json = async (path, options) => {
  const answer = await fetch(location.origin + path, options)
  if (!answer.ok) throw new Error(path.split('?')[0] + ' returned status ' + answer.status)
  return answer.json()
}
const instant = async (query) => (await json('/api/v1/query?query=' + encodeURIComponent(query))).data.result
`
