import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { HostRefusal } from '../kind/step.ts'
import { DIALECTS, type Flavour, MYSQL_DATA } from './flavour.ts'
import { DATA_DIRECTORIES } from './mariadb.ts'

/** Files of each flavour that every data directory of it has and none of the other: the log of Aria, and the data dictionary of MySQL 8. */
const MARKS: Readonly<Record<Flavour, readonly string[]>> = {
  mariadb: DATA_DIRECTORIES.map((directory) => `${directory}/aria_log_control`),
  mysql: [`${MYSQL_DATA}/mysql.ibd`],
}

/** Prints `provision-data FLAVOUR DIRECTORY` for each data directory. Builtins only. */
export const LIST_DATA: Script = sh`${(Object.keys(MARKS) as Flavour[]).map(
  (flavour) => sh`for mark in ${MARKS[flavour]}; do [ ! -e "$mark" ] || echo ${`provision-data ${flavour}`} "\${mark%/*}"; done\n`,
)}`

/** Splits the output of `LIST_DATA` from what follows it. */
export const readData = (stdout: Buffer): { readonly data: ReadonlyMap<Flavour, string>; readonly rest: Buffer } => {
  const [head = ''] = /^(?:provision-data (?:mariadb|mysql) \/[a-z/]+\n)*/.exec(stdout.toString('latin1')) ?? []
  const data = new Map(
    [...head.matchAll(/^provision-data (mariadb|mysql) (.*)$/gm)].map(([, flavour, directory = '']) => [flavour as Flavour, directory]),
  )
  return { data, rest: stdout.subarray(head.length) }
}

/**
 * The data directory of the other flavour, if the host has data of that one only: its package and this one exclude each other, and neither
 * reads the data of the other.
 */
export const otherData = (data: ReadonlyMap<Flavour, string>, flavour: Flavour): OtherData | undefined => {
  const other = flavour === 'mysql' ? 'mariadb' : 'mysql'
  const directory = data.get(other)
  return directory === undefined || data.has(flavour) ? undefined : { other, directory }
}

/** State of a database on a host that has the data of the other flavour. */
export interface OtherData {
  readonly other: Flavour
  readonly directory: string
}

export const isOther = (state: unknown): state is OtherData => typeof state === 'object' && state !== null && 'other' in state

/** Refuses to replace a server by one of the other flavour. */
export const refuseOther = (flavour: Flavour, { other, directory }: OtherData): HostRefusal =>
  new HostRefusal(
    `database server not changed from ${DIALECTS[other].product} to ${DIALECTS[flavour].product}`,
    `the host has the data of ${DIALECTS[other].product} in ${directory}, which ${DIALECTS[flavour].product} cannot read`,
    `set \`flavour: ${other}\`; or dump the databases, remove the package ${other}-server, move ${directory} away, and run again`,
  )
