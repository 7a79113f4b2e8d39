import { hostileKinds } from './hostile-kinds.ts'

hostileKinds('t-att', '10.79.130', { rounds: 4, everyPath: false })
