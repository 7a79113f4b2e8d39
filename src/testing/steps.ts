import type { Step } from '../resource/kind/step.ts'
import { Secret } from '../secret/secret.ts'

const wordsOf = (input: Uint8Array | Secret | undefined): string =>
  input instanceof Secret ? input.reveal() : Buffer.from(input ?? []).toString()

/** Scripts and input of all steps, on a host where every step succeeds and no database server runs. */
export const stepsOf = (steps: Generator<Step, void, { code: number; stdout: Buffer; stderr: string }>): readonly string[] => {
  const sent: string[] = []
  try {
    for (let next = steps.next(); next.done !== true && sent.length < 20; ) {
      const { value } = next
      if (value.do === 'notice' || value.do === 'reboot') {
        next = steps.next({ code: 0, stdout: Buffer.alloc(0), stderr: '' })
        continue
      }
      const doing = 'doing' in value ? (value.doing ?? '') : ''
      sent.push(
        'script' in value
          ? `${value.script}\n${doing}\n${'input' in value ? wordsOf(value.input) : ''}`
          : value.do === 'fetch'
            ? value.url
            : value.request,
      )
      next = steps.next({ code: 0, stdout: Buffer.from(sent.at(-1)?.includes("SELECT 'end'") ? 'down\n' : ''), stderr: '' })
    }
  } catch {
    // A kind may refuse an empty answer; the steps before it count.
  }
  return sent
}
