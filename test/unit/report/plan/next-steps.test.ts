import { describe, expect, test } from 'vitest'
import type { PlannedChange } from '../../../../src/engine/plan/plan.ts'
import { nextSteps } from '../../../../src/report/plan/next-steps.ts'
import { change, outcomeOf, plainView, planOf } from '../values.ts'

const key = change('controller', 'authority:edge')
const record = change('a', 'owned:nginx', { bookkeeping: true })
const steps = (changes: readonly PlannedChange[], more: object = {}, isApplied = true): readonly string[] => {
  const ending = {
    plan: planOf(...changes),
    outcome: outcomeOf('changed'),
    problems: [],
    dryRun: false,
    interrupted: false,
    restrictedBy: [],
  }
  return nextSteps({ ...ending, ...more }, () => isApplied, plainView)
}

describe('the steps after a run', () => {
  test('keep the keys that it created, and check the services', () => {
    expect(steps([key, change('a', 'file:/x')])).toEqual([
      '',
      'Next',
      '  • Commit identities/. It contains the keys of the site, encrypted.',
      '  • Keep a copy of your age key, ~/.config/provision/age.txt, in a safe place. Without it, nobody',
      '    can decrypt them.',
      '  • Check the services: provision verify',
    ])
  })

  test('after the first run of a role, check the services', () => {
    expect(steps([record, change('a', 'file:/x')])).toEqual(['', 'Next', '  • Check the services: provision verify'])
  })

  test.each<[string, readonly PlannedChange[], object, boolean]>([
    ['a later run', [change('a', 'file:/x'), { ...record, action: 'update' }], {}, true],
    ['a dry run', [key], { dryRun: true }, true],
    ['an interrupted run', [key], { interrupted: true }, true],
    ['a failed run', [key], { outcome: outcomeOf('failed') }, true],
    ['a run that did not create the keys', [key], {}, false],
  ])('are not shown after %s', (_, changes, more, isApplied) => {
    expect(steps(changes, more, isApplied)).toEqual([])
  })
})
