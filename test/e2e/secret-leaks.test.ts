import { secretLeakTest } from './support/secrets/secret-leaks.ts'

secretLeakTest('t-poison', '10.79.92', ['base64', 'lines', 'json', 'check', 'throw'], false)
