import { transport } from '../ssh/ssh-server.ts'

// The tests of the shell, over OpenSSH.
transport.current = 'openssh'
await import('../shell/exec.test.ts')
await import('../shell/kill-overdue.test.ts')
await import('../shell/launch.test.ts')
await import('../shell/lock.test.ts')
await import('../shell/open.test.ts')
await import('../shell/persistent-shell.test.ts')
await import('../shell/run-once.test.ts')
