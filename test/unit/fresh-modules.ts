import { vi } from 'vitest'

// Secrets and kinds that a file declares must not exist in the next one.
vi.resetModules()
