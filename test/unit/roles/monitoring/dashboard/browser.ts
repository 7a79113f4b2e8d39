import { runInNewContext } from 'node:vm'

/** An element with as much of the DOM as the dashboard uses. */
export class Node {
  readonly name: string
  readonly namespace: string | undefined
  readonly attributes: Record<string, string> = {}
  readonly dataset: Record<string, string> = {}
  readonly search: string | undefined
  children: (Node | string)[] = []
  scrollWidth = 0

  constructor(name: string, namespace?: string, search?: string) {
    this.name = name
    this.namespace = namespace
    this.search = search
  }
  setAttribute(key: string, value: unknown): void {
    this.attributes[key] = String(value)
  }
  set className(value: string) {
    this.attributes.class = value
  }
  append(...more: readonly (Node | string)[]): void {
    this.children.push(...more)
  }
  replaceChildren(...all: (Node | string)[]): void {
    this.children = all
  }
  set textContent(text: string) {
    this.children = [text]
  }
  get textContent(): string {
    return this.children.map((one) => (typeof one === 'string' ? one : one.textContent)).join('')
  }
  /** All elements below this one. */
  get all(): readonly Node[] {
    return this.children.flatMap((one) => (typeof one === 'string' ? [] : [one, ...one.all]))
  }
  querySelector(selector: string): Node | undefined {
    return this.all.find(({ attributes }) => `.${attributes.class}` === selector)
  }
  get html(): string {
    const attributes = Object.entries(this.attributes).map(([key, value]) => ` ${key}="${value}"`)
    return `<${this.name}${attributes.join('')}>${this.children.map((one) => (typeof one === 'string' ? one : one.html)).join('')}</${this.name}>`
  }
}

/** One series as Prometheus answers: labels, and values with their times. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>
  readonly values: readonly (readonly [at: number, value: string])[]
}
export interface Alert {
  readonly state: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

export interface Page {
  readonly search?: string
  /** Series by query. Prometheus refuses every other query. */
  readonly series?: Readonly<Record<string, readonly Series[]>>
  readonly alerts?: readonly Alert[]
  readonly hidden?: boolean
  /** Width of the content, on a screen of 400 points. */
  readonly width?: number
}

/** Seconds since 1970 at which the page is opened. */
export const NOW = 1_800_000_000

/** Runs the script of the dashboard in a page of this process. */
export const open = async (script: string, { search = '', series = {}, alerts = [], hidden = false, width = 400 }: Page) => {
  const [curves, shown, body, root] = ['section', 'section', 'body', 'html'].map((name) => new Node(name)) as [Node, Node, Node, Node]
  root.scrollWidth = width
  const links = [15, 60, 1440].map((minutes) => new Node('a', undefined, `?m=${minutes}`))
  const asked: URL[] = []
  const reloads: string[] = []
  let later: { readonly act: () => void; readonly after: number } | undefined
  let visible: { readonly act: () => void; readonly once: boolean } | undefined
  const document = {
    createElement: (name: string) => new Node(name),
    createElementNS: (namespace: string, name: string) => new Node(name, namespace),
    getElementById: (id: string) => [curves, shown, ...curves.all].find((one) => one.attributes.id === id),
    querySelectorAll: (selector: string) => (selector === 'nav a' ? links : []),
    addEventListener: (name: string, act: () => void, { once }: { once: boolean }) => {
      if (name === 'visibilitychange') visible = { act, once }
    },
    ...{ body, documentElement: root, hidden },
  }
  curves.setAttribute('id', 'curves')
  shown.setAttribute('id', 'alerts')
  const answer = (url: URL): unknown => {
    if (url.pathname === '/api/v1/alerts') return { data: { alerts } }
    return url.pathname === '/api/v1/query_range' ? { data: { result: series[url.searchParams.get('query') ?? ''] } } : undefined
  }
  runInNewContext(script, {
    ...{ document, URLSearchParams, innerWidth: 400, Date: { now: () => NOW * 1000 + 999 } },
    location: { search, origin: 'https://lb-01:9443', reload: () => reloads.push('page') },
    setTimeout: (act: () => void, after: number) => {
      later = { act, after }
    },
    fetch: async (address: string) => {
      const url = new URL(address)
      asked.push(url)
      const found = answer(url) as { data: { result?: unknown } } | undefined
      const ok = found !== undefined && !('result' in found.data && found.data.result === undefined)
      return { ok, status: ok ? 200 : 422, json: async () => found }
    },
  })
  for (let i = 0; i < 100 && body.dataset.drawn === undefined; i++) await new Promise((resolve) => setImmediate(resolve))
  return { curves, shown, body, links, asked, reloads, later: () => later, visible: () => visible }
}

const EMPTY = ['!doctype', 'meta', 'link', 'path']

/** Reads HTML. Every element must be closed, and every attribute have a value. */
export const parseHtml = (html: string): Node => {
  const open = [new Node('page')]
  for (const [word, close, name = '', attributes = '', text = ''] of html.matchAll(/<(\/?)([!a-z0-9]+)((?: [^<>]*)?)>|([^<>]+)/g)) {
    const last = open.at(-1) as Node
    if (text !== '') last.append(text)
    else if (close === '/') {
      if (last.name !== name) throw new Error(`${word} closes <${last.name}>`)
      open.pop()
    } else {
      const node = new Node(name)
      for (const [, key = '', value] of attributes.matchAll(/ ([a-zA-Z0-9-]+)="([^"]*)"/g)) node.setAttribute(key, value)
      if (name !== '!doctype' && attributes.replaceAll(/ [a-zA-Z0-9-]+="[^"]*"|\/$/g, '').trim() !== '')
        throw new Error(`attributes of ${word}`)
      last.append(node)
      if (!EMPTY.includes(name)) open.push(node)
    }
  }
  if (open.length > 1) throw new Error(`<${open.at(-1)?.name}> is not closed`)
  return open[0] as Node
}
