/** A block in the syntax of nft: its head (`chain input`) and the statements and blocks between its braces. */
export interface Block {
  readonly head: string
  readonly body: readonly (string | Block)[]
}

const HEAD = /^(table|chain|set|map|counter|limit|quota|flowtable|ct \w+|synproxy|secmark|meter) /
const TOKEN = /"[^"\n]*"|#[^\n]*|[{};\n]|[^"#{};\n]+|"/g

/**
 * Parses rules, hand-written or printed by `nft list`, into blocks and statements without line breaks. Quoted text is kept, and braces
 * within a statement (anonymous sets) belong to it.
 */
export const readNft = (text: string): Block['body'] => {
  const root: { head: string; body: (string | Block)[] } = { head: '', body: [] }
  const open = [root]
  let words = ''
  let depth = 0
  const end = (): void => {
    const statement = words.trim()
    if (statement !== '') open.at(-1)?.body.push(statement)
    words = ''
  }
  for (const [token] of text.matchAll(TOKEN)) {
    if (token.startsWith('#')) continue
    const inTable = open.length === 1 || open.at(-1)?.head.startsWith('table ')
    if (token === '{' && depth === 0 && inTable && HEAD.test(words.trimStart())) {
      const block = { head: words.trim(), body: [] }
      open.at(-1)?.body.push(block)
      open.push(block)
      words = ''
    } else if (token === '}' && depth === 0) {
      end()
      if (open.length > 1) open.pop()
    } else if ((token === ';' || token === '\n') && depth === 0) {
      end()
    } else {
      depth += token === '{' ? 1 : token === '}' ? -1 : 0
      words += token.startsWith('"') ? token : token.replaceAll(/\s+/g, ' ')
    }
  }
  end()
  return root.body
}

export const blocksIn = (body: Block['body']): readonly Block[] => body.filter((one) => typeof one !== 'string')
export const statementsIn = (body: Block['body']): readonly string[] => body.filter((one) => typeof one === 'string')

/** The elements of `elements = { … }`, with their comments. */
export const elementsOf = (statement: string): readonly string[] =>
  (statement.slice(statement.indexOf('{') + 1, statement.lastIndexOf('}')).match(/(?:"[^"]*"|[^,"])+/g) ?? [])
    .map((one) => one.trim())
    .filter((one) => one !== '')

/** The comment of a rule or an element, which the kernel keeps. */
export const commentOf = (statement: string): string | undefined => /\bcomment "([^"]*)"$/.exec(statement)?.[1]
