import { randomBytes } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { writeWhole } from '../../disk/write.ts'
import { showHidden } from '../../hidden.ts'
import { Secret } from '../../secret/secret.ts'
import { quote } from '../../shell/quote.ts'
import type { Target } from '../target/connection.ts'
import { person } from './person.ts'
import { scratch, socketIn } from './scratch.ts'

/** The questions of one ssh process, and of those that it starts for its jump hosts. */
export interface Prompts {
  /** Environment of the process. */
  readonly env: Readonly<Record<string, string>>
  /** Whether a person is being asked: the time limits of the connection are suspended. */
  readonly isAsking: boolean
  /** Questions that were refused, because nobody could answer them. */
  readonly refused: readonly string[]
  /** Keys whose passphrase in the inventory is wrong. */
  readonly wrong: readonly string[]
  close(): void
}

/** A question of ssh. */
interface Question {
  readonly id: string
  readonly text: string
  /** Whether it only shows something, until ssh ends the program that shows it. */
  readonly isNotice: boolean
}

type Answering = (question: Question, socket: Socket) => Promise<string | undefined>

const MAX_QUESTION = 4096
const answering = new Map<string, Answering>()

// The program connects to this process: the answer passes through pipes only. Its environment has the path of the socket and a random word.
const PROGRAM = `const s=require('net').connect(process.env.PROVISION_PROMPTS,()=>s.write(JSON.stringify({id:process.env.PROVISION_PROMPTS_ID,text:process.argv[1]||'',isNotice:process.env.SSH_ASKPASS_PROMPT==='none'})+'\\n'));
let t='';s.on('data',d=>{t+=d}).on('end',()=>{if(t[0]==='+')require('fs').writeSync(1,t.slice(1)+'\\n');else process.exitCode=1;s.end()}).on('error',()=>{process.exitCode=1})`

let listening: Promise<{ readonly program: string; readonly socket: string }> | undefined

/** Starts to listen for questions, once. The socket is in a directory that only this account can enter. */
const listen = (): Promise<{ readonly program: string; readonly socket: string }> => {
  listening ??= (async () => {
    const directory = await scratch()
    const program = join(directory, 'askpass')
    const socket = socketIn(directory)
    writeWhole(program, `#!/bin/sh\nexec ${quote(process.execPath)} -e ${quote(PROGRAM)} -- "$1"\n`, { mode: 0o700 })
    const server = createServer({ allowHalfOpen: true }, (connection) => void serve(connection)).unref()
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(socket, resolve))
    return { program, socket }
  })()
  return listening
}

const serve = async (connection: Socket): Promise<void> => {
  let text = ''
  connection.on('error', () => {})
  const line = await new Promise<string>((resolve) => {
    connection.on('data', (chunk) => {
      text += chunk.toString()
      if (text.includes('\n') || text.length > MAX_QUESTION) resolve(text)
    })
    connection.once('close', () => resolve(''))
  })
  const question = parse(line)
  const answer = question && (await answering.get(question.id)?.(question, connection))
  connection.end(answer === undefined ? '-' : `+${answer}`)
}

const parse = (line: string): Question | undefined => {
  try {
    const { id, text, isNotice } = JSON.parse(line)
    return { id: String(id), text: showHidden(String(text).slice(0, 500)).trim().replaceAll('\n', '␊'), isNotice: isNotice === true }
  } catch {
    return undefined
  }
}

/** Secrets that the person has given in this run, by question: a new connection must not ask again. */
const given = new Map<string, Secret>()

// A terminal can show one question at a time.
let turn: Promise<unknown> = Promise.resolve()
const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
  const result = turn.then(work)
  turn = result.catch(() => {})
  return result
}

/**
 * Answers the questions of an ssh process: with the passphrase of the inventory, or by asking the person at the terminal. `giveUp` is called
 * if ssh waits for a touch and no terminal is attached.
 */
export const promptsOf = async ({ name, passphrase }: Target, giveUp: () => void): Promise<Prompts> => {
  const id = randomBytes(16).toString('hex')
  const { program, socket } = await listen()
  const refused: string[] = []
  const wrong: string[] = []
  const answered = new Set<string>()
  let asking = 0
  const refuse = (text: string): undefined => void refused.push(text)
  const answer: Answering = async ({ text, isNotice }, connection) => {
    if (isNotice) {
      if (person.present === undefined) {
        giveUp()
        return refuse(text)
      }
      await person.present.show(`${name}: ${text}`)
      await new Promise((ended) => connection.once('end', ended).once('close', ended))
      return undefined
    }
    const key = /^Enter passphrase for (?:key )?'?(.+?)'?:?$/.exec(text)?.[1]
    const isRepeated = answered.has(text)
    answered.add(text)
    if (key !== undefined && passphrase !== undefined) return isRepeated ? void wrong.push(key) : passphrase.reveal()
    // Whether to trust a host key is decided by `provision trust` alone.
    if (person.present === undefined || /\(yes\/no/.test(text)) return refuse(text)
    return await inTurn(async () => {
      const before = given.get(text)
      if (before !== undefined && !isRepeated) return before.reveal()
      given.delete(text)
      const said = await person.present?.ask(`${name}: ${text} `)
      if (said === undefined || said === '') return undefined
      given.set(text, new Secret(said))
      return said
    })
  }
  answering.set(id, async (question, connection) => {
    asking += 1
    return await answer(question, connection).finally(() => {
      asking -= 1
    })
  })
  return {
    env: { SSH_ASKPASS: program, SSH_ASKPASS_REQUIRE: 'force', PROVISION_PROMPTS: socket, PROVISION_PROMPTS_ID: id },
    get isAsking() {
      return asking > 0
    },
    refused,
    wrong,
    close: () => void answering.delete(id),
  }
}
