import { hostileKinds } from './support/hostile/hostile-kinds.ts'

// Attacks in loops run in the long form only, because their result depends on chance.
hostileKinds('t-att', '10.79.130', { rounds: 0, everyPath: false })
