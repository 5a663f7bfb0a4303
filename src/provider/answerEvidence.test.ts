import { describe, expect, test } from 'vitest'
import { providerWorld } from '../../test/providerWorld.ts'
import * as Exchange from '../protocol/Exchange.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Json from '../protocol/Json.ts'

describe('answerEvidence', () => {
  test('is given to the buyer and the validators of the order, and to nobody else', async () => {
    const world = providerWorld()
    await using _ = await world.start()
    const validator = await world.buyer('validator')
    const stranger = await world.buyer('stranger')
    const buyer = await world.buyer()
    const order = { validators: [validator.identity.address] }
    const { id: lease } = await world.drive(buyer.open({ order }))
    const { id: job, output, receipt } = await world.drive(buyer.job(lease))
    for (const reader of [buyer, validator]) {
      const body = await world.drive(reader.tell('evidence', { job }))
      const evidence = Json.decode(Exchange.evidence, body, { what: 'Evidence' })
      expect(evidence).toMatchObject({ output, receipt })
    }
    await expect(world.drive(stranger.tell('evidence', { job }))).rejects.toMatchObject({
      code: 'Provider.ForbiddenError',
    })
    await expect(world.drive(validator.tell('evidence', { job: Hex.zero }))).rejects.toMatchObject({
      code: 'Provider.NoEvidenceError',
    })
  })

  test('is kept up to a limit', async () => {
    const world = providerWorld()
    await using _ = await world.start({ evidenceLimit: 2, evidenceAgeMs: 300_000 })
    const { buyer, lease } = await world.readyLease()
    const jobs = []
    for (let job = 0; job < 4; job++) {
      jobs.push(await world.drive(buyer.job(lease.id)))
      await world.advance(10)
    }
    await world.advance(70_000)
    expect(await world.store.list('provider-evidence')).toHaveLength(2)
    const last = jobs.at(-1)!
    await world.drive(buyer.tell('evidence', { job: last.id }))
    await world.advance(400_000)
    expect(await world.store.list('provider-evidence')).toEqual([])
    expect(await world.store.list('provider-evidence-age')).toEqual([])
  })
})
