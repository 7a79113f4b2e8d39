import { hostileKinds } from './support/hostile/hostile-kinds.ts'

// Loops are left to the long form: how they end is chance, and nobody's commit shall wait for that.
hostileKinds('t-att', '10.79.130', { rounds: 0, everyPath: false })
