import { poisonTest, WAYS } from '../e2e/support/secrets/secret-leaks.ts'

poisonTest('t-poison-full', '10.79.94', WAYS, true)
