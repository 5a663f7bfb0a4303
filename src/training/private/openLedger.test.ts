import { describe, expect, test } from 'vitest'
import * as Hex from '../../protocol/Hex.ts'
import { memoryStore } from '../../runtime/memoryStore.ts'
import { openLedger } from './openLedger.ts'

const run = Hex.sha256('run')
const order = { noiseMicro: 1_000_000, rhoMicro: 1_600_000 }
const sum = (round: number, name: string) => ({ round, payload: Hex.sha256(name), rho: 0.5 })

describe('openLedger', () => {
  test('lets no more be shown than the budget pays for, and knows that after a crash', async () => {
    const store = memoryStore()
    const ledger = await openLedger({ store }, { run, order })
    for (const round of [0, 1, 2]) {
      expect(ledger.isWilling()).toBe(true)
      expect(ledger.mayShow(sum(round, `${round}`))).toBe(true)
      await ledger.note(sum(round, `${round}`))
    }
    const again = await openLedger({ store }, { run, order })
    for (const each of [ledger, again]) {
      expect(each.isWilling()).toBe(false)
      expect(each.mayShow(sum(3, '3'))).toBe(false)
      // The same bytes once more tell nothing more.
      expect(each.mayShow(sum(2, '2'))).toBe(true)
    }
  })

  test('lets no more than two vectors of a round be shown, whatever branches the log has', async () => {
    const free = { noiseMicro: 0, rhoMicro: 0 }
    const ledger = await openLedger({ store: memoryStore() }, { run, order: free })
    for (const name of ['a', 'b']) {
      expect(ledger.mayShow({ ...sum(7, name), rho: Infinity })).toBe(true)
      await ledger.note({ ...sum(7, name), rho: Infinity })
    }
    expect(ledger.mayShow(sum(7, 'c'))).toBe(false)
    expect(ledger.mayShow(sum(8, 'c'))).toBe(true)
    expect(ledger.isWilling()).toBe(true)
  })
})
