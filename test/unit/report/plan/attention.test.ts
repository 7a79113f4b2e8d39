import { describe, expect, test } from 'vitest'
import type { PlannedChange } from '../../../../src/engine/plan/plan.ts'
import { attentionLines } from '../../../../src/report/plan/attention.ts'
import { change, plainView, planOf } from '../values.ts'

const lines = (...changes: readonly PlannedChange[]): readonly string[] => attentionLines(planOf(...changes), plainView)

describe('attention before a run', () => {
  test('is not needed for changes of files', () => {
    expect(lines(change('a', 'file:/x'), change('a', 'file:/y', { action: 'update' }))).toEqual([])
  })

  test('names deleted resources and their hosts, each once', () => {
    const deleted = ['a', 'b'].flatMap((host) => ['1', '2', '3'].map((name) => change(host, `file:/${name}`, { action: 'delete' })))
    expect(lines(...deleted)).toEqual(['! 6 resources to delete: file /1, file /2, file /3  a b'])
    const many = Array.from({ length: 6 }, (_, i) => change('a', `file:/${i}`, { action: 'delete' }))
    expect(lines(...many)).toEqual(['! 6 resources to delete: file /0, file /1, file /2, file /3 and 2 more  a'])
  })

  test('names new keys of the site', () => {
    expect(lines(change('controller', 'authority:edge'), change('a', 'file:/x'))).toEqual([
      '! new keys of the site, to be kept in identities/: authority edge',
    ])
  })

  test('has what a change reports, once for all its hosts', () => {
    const attention = 'order of a certificate for www.example.com'
    expect(lines(...['lb-01', 'lb-02'].map((host) => change(host, 'x:y', { attention })), change('lb-03', 'x:y'))).toEqual([
      '! order of a certificate for www.example.com  lb-01 lb-02',
    ])
  })
})
