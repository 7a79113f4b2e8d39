import { jsonLine } from '../report/json-line.ts'
import { count, inLine, pad, width } from '../report/text.ts'
import { defineCommand, type Options } from './command.ts'
import { inventoryOption } from './options.ts'
import { warn } from './site.ts'
import { INTERRUPTED, statusOf } from './status.ts'

const options = {
  ...inventoryOption,
  role: { type: 'string', multiple: true, value: 'NAME', help: 'only the checks of this role' },
  limit: { type: 'string', short: 'l', multiple: true, value: 'PATTERN', help: 'only hosts that match' },
  json: { type: 'boolean', help: 'one JSON object a line, one for each check' },
} as const satisfies Options

/** `provision verify`: the roles' own behavioural checks against the live hosts. */
export const command = defineCommand({
  usage: ['verify [PLAYBOOK...] [OPTIONS]'],
  options,
  notes: ['`run` looks at the configuration of a host; this asks its services whether they do what they are for. It changes nothing.'],
  run: async ({ positionals, values }, surroundings) => {
    const { directory, env, signal, out, view } = surroundings
    const [{ prepare }, { verify }] = await Promise.all([import('../engine/prepare.ts'), import('../engine/verify.ts')])
    const prepared = await prepare({
      root: directory,
      env,
      ...(values.inventory === undefined ? {} : { inventory: values.inventory }),
      ...(positionals.length === 0 ? {} : { playbooks: positionals }),
      limit: values.limit ?? [],
      roles: values.role ?? [],
    })
    warn(prepared.warnings, surroundings)
    const { checked, problems } = await verify(prepared, signal)
    const widest = (texts: readonly string[]): number => Math.max(0, ...texts.map(width))
    const [hostWidth, roleWidth] = [widest(checked.map(({ host }) => host)), widest(checked.map(({ role }) => role))]
    for (const one of checked) {
      const { host, role, name, passed } = one
      const sign = passed ? view.paint.green('✔') : view.paint.red('✖')
      const line = `${sign} ${pad(host, hostWidth)}  ${pad(role, roleWidth)}  ${inLine(name)}`
      out(values.json ? jsonLine({ type: 'check', ...one }) : `${line}\n`)
    }
    const failed = checked.filter(({ passed }) => !passed).length
    const missed = problems.filter((problem) => problem.class === 'unreachable').length
    const judged = failed > 0 ? `, ${failed} failed` : missed === 0 ? ', all well' : checked.length > 0 ? ', these are well' : ''
    const lost = missed > 0 ? `, ${count(missed, 'host')} not reached` : ''
    if (!values.json) out(`\n${count(checked.length, 'check')}${judged}${lost}\n`)
    return { status: signal.aborted ? INTERRUPTED : statusOf(problems), problems }
  },
})
