import { runInNewContext } from 'node:vm'

/** An element with as much of the DOM as the dashboard uses. */
export class Node {
  readonly name: string
  readonly namespace: string | undefined
  readonly attributes: Record<string, string> = {}
  readonly dataset: Record<string, string> = {}
  readonly search: string | undefined
  readonly listeners: Record<string, (event: Event) => void> = {}
  children: (Node | string)[] = []
  scrollWidth = 0
  clientWidth = 320
  value = ''
  open = false
  isFocused = false
  isShown = false

  constructor(name: string, namespace?: string, search?: string) {
    this.name = name
    this.namespace = namespace
    this.search = search
  }
  setAttribute(key: string, value: unknown): void {
    this.attributes[key] = String(value)
    if (key === 'value') this.value = String(value)
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
  addEventListener(name: string, act: (event: Event) => void): void {
    this.listeners[name] = act
  }
  focus(): void {
    this.isFocused = true
  }
  scrollIntoView(): void {
    this.isShown = true
  }
  contains(other: Node): boolean {
    return this.all.includes(other)
  }
  get childNodes(): readonly (Node | string)[] {
    return this.children
  }
  getElementById(id: string): Node | undefined {
    return this.all.find(({ attributes }) => attributes.id === id)
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
  querySelector(selector: string): Node | null {
    if (selector === 'details[open] form') return this.all.find(({ open, all }) => open && all.some(({ name }) => name === 'form')) ?? null
    return this.all.find(({ attributes }) => `.${attributes.class}` === selector) ?? null
  }
  get html(): string {
    const attributes = Object.entries(this.attributes).map(([key, value]) => ` ${key}="${value}"`)
    return `<${this.name}${attributes.join('')}>${this.children.map((one) => (typeof one === 'string' ? one : one.html)).join('')}</${this.name}>`
  }
}

/** An event with the members that the script reads. */
export interface Event {
  readonly offsetX?: number
  readonly key?: string
  readonly preventDefault?: () => void
}

/** One series as Prometheus answers: labels, and values with their times. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>
  readonly values: readonly (readonly [at: number, value: string])[]
}
/** An alert as Alertmanager answers, or Prometheus (with `state` and `activeAt`). */
export interface Alert {
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly startsAt?: string
  readonly activeAt?: string
  readonly state?: string
  readonly fingerprint?: string
  readonly receivers?: readonly { readonly name: string }[]
  readonly status?: { readonly inhibitedBy: readonly string[]; readonly silencedBy: readonly string[] }
}

export interface Page {
  readonly search?: string
  readonly hash?: string
  /** Series by query. Prometheus refuses every other query. */
  readonly series?: Readonly<Record<string, readonly Series[]>>
  /** Alerts of Alertmanager; it does not answer without them. */
  readonly alerts?: readonly Alert[]
  /** Alerts of Prometheus; it does not answer without them. */
  readonly rules?: readonly Alert[]
  readonly silences?: readonly object[]
  /** Account that may silence. */
  readonly account?: string
  readonly hidden?: boolean
  /** Width of the content, on a screen of 400 points. */
  readonly width?: number
}

/** Seconds since 1970 at which the page is opened. */
export const NOW = 1_800_000_000

interface Request {
  readonly method?: string
  readonly body?: string
}

const IDS = ['heading', 'notice', 'alerts', 'silences', 'state', 'curves', 'times']

/** Runs the script of the dashboard in a page of this process. `page` can be changed between two updates. */
export const open = async (script: string, page: Page) => {
  const { search = '', hash = '', width = 400 } = page
  let given = page
  const [body, root] = ['body', 'html'].map((name) => new Node(name)) as [Node, Node]
  root.scrollWidth = width
  for (const id of IDS) {
    const section = new Node('section')
    section.setAttribute('id', id)
    body.append(section)
  }
  const links = [15, 60, 1440].map((minutes) => new Node('a', undefined, `?m=${minutes}`))
  const asked: { readonly url: URL; readonly request: Request }[] = []
  let later: { readonly act: () => Promise<void>; readonly after: number } | undefined
  let visible: (() => void) | undefined
  let now = NOW
  const document = {
    createElement: (name: string) => new Node(name),
    createElementNS: (namespace: string, name: string) => new Node(name, namespace),
    getElementById: (id: string) => body.getElementById(id) ?? null,
    querySelectorAll: (selector: string) =>
      selector === 'nav a' ? links : body.all.filter((node) => selector === '#alerts details[open]' && node.open),
    addEventListener: (name: string, act: () => void) => {
      if (name === 'visibilitychange') visible = act
    },
    ...{ body, documentElement: root, activeElement: null, title: '' },
    get hidden() {
      return given.hidden ?? false
    },
  }
  const answer = ({ pathname, searchParams }: URL): unknown => {
    const series = given.series?.[searchParams.get('query') ?? '']
    if (pathname === '/alerts') return given.alerts
    if (pathname === '/silences') return given.silences
    if (pathname === '/api/v1/alerts') return given.rules && { data: { alerts: given.rules } }
    if (pathname === '/api/v1/query_range') return series && { data: { result: series } }
    if (pathname === '/api/v1/query')
      return series && { data: { result: series.map(({ metric, values }) => ({ metric, value: values.at(-1) })) } }
    if (pathname === '/silence/account') return given.account && {}
    return pathname.startsWith('/silence/') || (pathname === '/' && given.rules) ? {} : undefined
  }
  runInNewContext(script, {
    ...{ document, URLSearchParams, innerWidth: 400 },
    Date: class extends Date {
      constructor(at: number) {
        super(at)
      }
      static override now = () => now * 1000 + 999
      override getTimezoneOffset = () => 0
      override getHours = () => this.getUTCHours()
      override getDate = () => this.getUTCDate()
    },
    Intl: { DateTimeFormat: () => ({ resolvedOptions: () => ({ timeZone: 'UTC' }) }) },
    location: { search, hash, origin: 'https://lb-01:9443' },
    setTimeout: (act: () => Promise<void>, after: number) => {
      later = { act, after }
    },
    DOMParser: class {
      parseFromString = () => {
        const fresh = new Node('page')
        for (const id of ['heading', 'state']) {
          const section = new Node('section')
          section.setAttribute('id', id)
          section.append(`new ${id}`)
          fresh.append(section)
        }
        return fresh
      }
    },
    fetch: async (address: string, request: Request = {}) => {
      const url = new URL(address)
      asked.push({ url, request })
      const found = answer(url)
      return {
        ...{ ok: found !== undefined, status: found === undefined ? 422 : 200 },
        headers: { get: () => given.account },
        json: async () => found,
        text: async () => '',
      }
    },
  })
  const drawn = async (isDone: () => boolean) => {
    for (let i = 0; i < 200 && !isDone(); i++) await new Promise((resolve) => setImmediate(resolve))
  }
  await drawn(() => body.dataset.drawn !== undefined && later !== undefined)
  const section = (id: string): Node => body.getElementById(id) as Node
  return {
    ...{ body, links, asked, document, section },
    /** Updates the page after these seconds, with these answers. */
    update: async (seconds: number, next: Page = page) => {
      now += seconds
      given = next
      await later?.act()
    },
    after: () => later?.after,
    show: () => visible?.(),
  }
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
