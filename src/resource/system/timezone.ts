import { z } from 'zod'
import { defineComposite } from '../composite.ts'
import { file } from '../file/file.ts'
import { link } from '../file/link.ts'
import { pkg } from '../package/package.ts'

/** Whether the IANA database has a zone of this name. Intl ignores case, and the names of files do not. */
const isZone = (name: string): boolean => {
  try {
    const { timeZone } = new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions()
    // Intl can answer with a former name of the zone.
    const isSame = timeZone.toLowerCase() === name.toLowerCase()
    return isSame ? timeZone === name : name.split('/').every((part) => /^([A-Z][a-z]|(UTC|UCT|GMT)([+-]?\d+)?$)/.test(part))
  } catch {
    return false
  }
}

/** Names that Debian 13 and Ubuntu 24.04 have in the package tzdata-legacy only: a link to one of them would mean UTC there. */
const FORMER = new Set(
  [
    'Africa/Asmera America/Argentina/ComodRivadavia America/Buenos_Aires America/Catamarca America/Cordoba America/Fort_Wayne',
    'America/Godthab America/Indianapolis America/Jujuy America/Knox_IN America/Louisville America/Mendoza America/Rosario',
    'Antarctica/South_Pole Asia/Ashkhabad Asia/Calcutta Asia/Choibalsan Asia/Chungking Asia/Dacca Asia/Katmandu Asia/Macao Asia/Rangoon',
    'Asia/Saigon Asia/Thimbu Asia/Ujung_Pandang Asia/Ulan_Bator Atlantic/Faeroe Australia/ACT Australia/LHI Australia/NSW Australia/North',
    'Australia/Queensland Australia/South Australia/Tasmania Australia/Victoria Australia/West CET CST6CDT Cuba EET EST EST5EDT Egypt Eire',
    'Europe/Kiev Europe/Uzhgorod Europe/Zaporozhye GB GB-Eire GMT+0 GMT-0 GMT0 Greenwich HST Hongkong Iceland Iran Israel Jamaica Japan',
    'Kwajalein Libya MET MST MST7MDT NZ NZ-CHAT Navajo PRC PST8PDT Pacific/Enderbury Pacific/Ponape Pacific/Truk Poland Portugal ROC ROK',
    'Singapore Turkey UCT Universal W-SU WET Zulu',
  ].flatMap((line) => line.split(' ')),
)

const isFormer = (name: string): boolean => FORMER.has(name) || /^(Brazil|Canada|Chile|Mexico|US)\//.test(name)

const schema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9_+/-]*$/, 'must be a time zone such as Europe/Berlin')
    .refine(isZone, 'must be a time zone of the IANA database, such as Europe/Berlin or Etc/UTC')
    .refine(
      (name) => !isFormer(name),
      'must be the present name of the zone: current releases have former names such as US/Eastern or Asia/Calcutta only in tzdata-legacy; write America/New_York or Asia/Kolkata',
    )
    .meta({ description: 'time zone of the IANA database', examples: ['Europe/Berlin', 'Etc/UTC'] }),
})

/** The time zone of a host: its link, its name, and the package with all zones. Services use a new zone when they start again. */
export const timezone = defineComposite({
  name: 'timezone',
  summary: 'time zone of the host',
  schema,
  resources: ({ name }) => [
    pkg({ name: 'tzdata' }),
    link({ path: '/etc/localtime', target: `/usr/share/zoneinfo/${name}` }),
    file({ path: '/etc/timezone', content: `${name}\n` }),
  ],
})
