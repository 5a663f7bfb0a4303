import { describe, expect, test } from 'vitest'
import { identityOf } from '../../../test/smallMarket.ts'
import { memoryNetwork } from '../../network/memory.ts'
import * as Exchange from '../../protocol/Exchange.ts'
import * as Hex from '../../protocol/Hex.ts'
import * as Verdict from '../../protocol/Verdict.ts'
import { seededRandom } from '../../runtime/seededRandom.ts'
import { virtualClock } from '../../runtime/virtualClock.ts'
import { openVerdicts } from './verdicts.ts'

const domain = { chainId: 1, vault: `0x${'aa'.repeat(20)}` } as const
const [trusted, stranger] = [identityOf(1), identityOf(2)]
const receipt = Hex.sha256('receipt')

function start() {
  const clock = virtualClock()
  const network = memoryNetwork({ clock, random: seededRandom(1) })
  const told: string[] = []
  const verdicts = openVerdicts(
    { network: network.join('buyer'), domain, onVerdict: ({ outcome }) => void told.push(outcome) },
    { validators: [trusted.address] },
  )
  const peer = network.join('peer')
  const say = async (outcome: Verdict.Outcome, signer = trusted, validator = signer) => {
    const message: Verdict.Verdict = {
      receipt,
      job: Hex.zero,
      provider: stranger.address,
      validator: validator.address,
      method: 'rerun',
      outcome,
      reason: '',
      output: Hex.zero,
      checkedAt: 1,
    }
    const signed = Verdict.sign(domain, message, signer)
    await peer.publish(Exchange.topics.verdicts, Verdict.serialize(signed))
    await clock.run(clock.now())
  }
  return { verdicts, told, say }
}

describe('openVerdicts', () => {
  test('believes validators that are trusted, and their own signature only', async () => {
    const { verdicts, told, say } = start()
    await say('invalid', stranger)
    await say('invalid', stranger, trusted)
    expect([verdicts.of(receipt), told]).toEqual([undefined, []])
    await say('valid')
    expect(verdicts.of(receipt)).toMatchObject({ outcome: 'valid' })
  })

  test('keeps the worst that was said, and tells only what is new', async () => {
    const { verdicts, told, say } = start()
    for (const outcome of [
      'unavailable',
      'valid',
      'valid',
      'unavailable',
      'invalid',
      'valid',
    ] as const)
      await say(outcome)
    expect(verdicts.of(receipt)).toMatchObject({ outcome: 'invalid' })
    expect(told).toEqual(['unavailable', 'valid', 'invalid'])
  })
})
