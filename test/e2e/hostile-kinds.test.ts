import { hostileKinds } from './support/hostile/hostile-kinds.ts'

// The long form has all attacks, also those in loops, whose result depends on chance.
hostileKinds('t-att', '10.79.130', { rounds: 0, everyPath: false, draws: 2 })
