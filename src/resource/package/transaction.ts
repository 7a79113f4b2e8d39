import { sh } from '../../shell/sh.ts'
import { type Answer, HostRefusal, type Step } from '../kind/step.ts'
import { BUSY } from './apt-functions.ts'
import { lockFunctions } from './apt-lock.ts'
import { holdFunctions } from './hold.ts'

/** Limit of the wait for a busy dpkg: a number of requests of some seconds each. A request must stay below the deadline of a step. */
export interface WaitLimit {
  readonly seconds: number
  readonly times: number
}

export const WAIT_LIMIT: WaitLimit = { seconds: 60, times: 10 }

/** Repeats a step while another program uses dpkg. Throws `HostRefusal` at the limit. */
export function* whileBusy(step: Step, { seconds, times }: WaitLimit = WAIT_LIMIT): Generator<Step, Answer, Answer> {
  for (let i = 1; ; i += 1) {
    const answer = yield step
    if (answer.code !== BUSY) return answer
    if (i >= times)
      throw new HostRefusal(
        'dpkg is locked by another program',
        `waited ${seconds * times} s for ${answer.stderr.trim()}`,
        'wait until it finishes, or stop it if it hangs, then run again; nothing was changed',
      )
  }
}

/** The beginning of a script that changes packages: its environment, `$work`, and functions. */
export const PREAMBLE = sh`
export LC_ALL=C DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none NEEDRESTART_SUSPEND=1
umask 022
work=$(mktemp -d "$T/XXXXXXXX") || exit 1
doing() { printf 'provision-doing: %s\\n' "$*" 2>/dev/null; }
cause() { printf 'provision-cause: %s\\n' "$*"; }
${lockFunctions}
${holdFunctions}`

/** Waits for dpkg, holds services back, and finishes what was interrupted. */
export const OPENING = sh`wait_until_free
trap 'release; rm -rf "$work"' EXIT
hold || exit 1
begin
finish_interrupted`
