import OpenAI from 'openai'
import type { Clock } from '../../runtime/Clock.ts'
import { serverName, type LocalNetwork } from './startLocalNetwork.ts'

/** An answer of the model that was just trained. */
export type TrainedAnswer = {
  readonly model: string
  readonly question: string
  readonly answer: string
  readonly provider: string
  readonly tier: string
}

/** Puts the model of a run on the network by `weft serve`, and asks it a question through the gateway. */
export async function askTrained(
  { clock }: { clock: Clock },
  { network, folder }: { network: LocalNetwork; folder: string },
): Promise<TrainedAnswer> {
  const ready = await network.start(serverName, ['serve', folder], {
    stake: 20,
    region: 'local',
    threads: 1,
    engine: 'exact',
    'claim-after': 3,
  })
  const [model = ''] = ready['models'] as readonly string[]
  const { urls, apiKey } = network
  const client = new OpenAI({ baseURL: `${urls.gateway}/v1`, apiKey, maxRetries: 0 })
  for (let attempt = 1; ; attempt++)
    try {
      const completion = await client.chat.completions.create(
        {
          model,
          messages: [{ role: 'user', content: question }],
          max_tokens: 80,
          temperature: 0.5,
          seed: 1,
        },
        { headers: { 'weft-tier': 'exact' } },
      )
      const { weft } = completion as unknown as {
        weft: { jobs: readonly { provider: string; assurance: { tier: string } }[] }
      }
      const { provider, assurance } = weft.jobs[0]!
      const answer = completion.choices[0]?.message.content ?? ''
      return { model, question, answer, provider, tier: assurance.tier }
    } catch (error) {
      // The offer may not have been heard yet.
      if (attempt === 12) throw error
      await clock.sleep(2_000)
    }
}

const question = 'What is Weft?'
