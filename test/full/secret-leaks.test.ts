import { secretLeakTest, WAYS } from '../e2e/support/secrets/secret-leaks.ts'

secretLeakTest('t-poison-full', '10.79.94', WAYS, true)
