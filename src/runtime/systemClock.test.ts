import { setTimeout as wait } from 'node:timers/promises'
import { describe } from 'vitest'
import { clockCompliance } from './compliance.ts'
import { systemClock } from './systemClock.ts'

describe('systemClock', () => {
  clockCompliance(() => ({ clock: systemClock(), elapse: (ms) => wait(ms) }))
})
