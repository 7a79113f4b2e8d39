import { jsonLine } from '../report/json-line.ts'
import { count, inLine, pad, width } from '../report/text.ts'
import { defineCommand, type Options } from './command.ts'
import { inventoryOption } from './options.ts'
import { warn } from './site.ts'
import { INTERRUPTED, statusOf, unlessInterrupted } from './status.ts'

const options = {
  ...inventoryOption,
  role: { type: 'string', multiple: true, value: 'NAME', help: 'run only the checks of this role' },
  limit: { type: 'string', short: 'l', multiple: true, value: 'PATTERN', help: 'check only matching hosts' },
  json: { type: 'boolean', help: 'print one JSON object per check' },
} as const satisfies Options

/** `provision verify`: runs the checks of the roles against the live hosts. */
export const command = defineCommand({
  usage: ['verify [PLAYBOOK...] [OPTIONS]'],
  options,
  notes: ['The checks of the roles query the running services. They change nothing.'],
  run: async ({ positionals, values }, context) => {
    const { directory, env, signal, out, err, view } = context
    const [{ prepare }, { verify }] = await Promise.all([import('../engine/prepare.ts'), import('../engine/verify.ts')])
    const preparing = prepare({
      root: directory,
      env,
      ...(values.inventory === undefined ? {} : { inventory: values.inventory }),
      ...(positionals.length === 0 ? {} : { playbooks: positionals }),
      limit: values.limit ?? [],
      roles: values.role ?? [],
    })
    const prepared = await unlessInterrupted(signal, preparing)
    warn(prepared.warnings, context)
    const { checked, problems, underWay } = await unlessInterrupted(signal, verify(prepared, signal))
    for (const { host, what } of underWay)
      if (values.json) out(jsonLine({ type: 'warning', host, what }))
      else err(`${view.paint.yellow('!')} ${inLine(what)}  ${view.paint.dim(inLine(host))}\n`)
    const widest = (texts: readonly string[]): number => Math.max(0, ...texts.map(width))
    const [hostWidth, roleWidth] = [widest(checked.map(({ host }) => host)), widest(checked.map(({ role }) => role))]
    for (const check of checked) {
      const { host, role, name, passed, because } = check
      const sign = passed ? view.paint.green('✔') : because === undefined ? view.paint.red('✖') : view.paint.dim('↳')
      const line = `${sign} ${pad(host, hostWidth)}  ${pad(role, roleWidth)}  ${because === undefined ? '' : '  '}${inLine(name)}`
      out(values.json ? jsonLine({ type: 'check', ...check }) : `${line}\n`)
    }
    const failed = checked.filter(({ passed, because }) => !passed && because === undefined).length
    const follow = checked.filter(({ because }) => because !== undefined).length
    const unreachable = problems.filter((problem) => problem.class === 'unreachable').length
    const consequences = follow === 0 ? '' : `, ${follow} not passed as a consequence`
    const verdict = failed > 0 ? `, ${failed} failed${consequences}` : checked.length > 0 ? ', all passed' : ''
    const missing = unreachable > 0 ? `, ${count(unreachable, 'host')} unreachable` : ''
    if (!values.json) out(`\n${count(checked.length, 'check')}${verdict}${missing}\n`)
    return { status: signal.aborted ? INTERRUPTED : statusOf(problems), problems }
  },
})
