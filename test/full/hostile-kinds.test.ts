import { hostileKinds } from '../e2e/support/hostile/hostile-kinds.ts'

// The long form: all paths of every kind, and many rounds against each loop.
hostileKinds('t-att-kinds', '10.79.131', { rounds: 15, everyPath: true })
