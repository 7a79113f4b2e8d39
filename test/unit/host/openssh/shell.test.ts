import { transport } from '../ssh/ssh-server.ts'

// The tests of the shell, over OpenSSH. `launch.test.ts` has the others.
transport.current = 'openssh'
await import('../shell/exec.test.ts')
await import('../shell/lock.test.ts')
await import('../shell/open.test.ts')
await import('../shell/persistent-shell.test.ts')
