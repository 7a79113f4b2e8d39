import { poisonTest, WAYS } from '../e2e/poisoned.ts'

poisonTest('t-poison-full', '10.79.94', WAYS, true)
