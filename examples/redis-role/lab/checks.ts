import { test } from 'node:test'
import { labChecks } from 'provision/testing'

for (const { title, check } of labChecks({ project: 'lab' })) test(title, check)
