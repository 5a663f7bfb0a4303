import { describe } from 'vitest'
import { loggerCompliance } from './compliance.ts'
import { pinoLogger } from './pinoLogger.ts'
import { silentLogger } from './silentLogger.ts'

describe('pinoLogger', () => {
  loggerCompliance(() => {
    const lines: string[] = []
    const logger = pinoLogger({ destination: { write: (line) => void lines.push(line) } })
    return { logger, lines: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) }
  })
})

describe('silentLogger', () => {
  loggerCompliance(() => ({ logger: silentLogger() }))
})
