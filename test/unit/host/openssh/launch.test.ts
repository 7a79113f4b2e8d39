import { transport } from '../ssh/ssh-server.ts'

// The tests of starting a root shell, over OpenSSH. `shell.test.ts` has the others.
transport.current = 'openssh'
await import('../shell/kill-overdue.test.ts')
await import('../shell/launch.test.ts')
await import('../shell/run-once.test.ts')
