import { Command } from 'commander'
import { topics } from '../protocol/Exchange.ts'
import * as Json from '../protocol/Json.ts'
import * as Offer from '../protocol/Offer.ts'
import { joinNetwork, withPartyOptions, type PartyOptions } from './joinNetwork.ts'
import { formatUsd } from './money.ts'
import { parseInteger } from './parseOptions.ts'
import { run } from './run.ts'

/** `weft offers`: what is for sale right now. */
export function offersCommand(): Command {
  return withPartyOptions(new Command('offers'))
    .description('listen for a moment and list what is for sale')
    .option('--seconds <count>', 'how long to listen', parseInteger({ min: 1, max: 600 }), 6)
    .action((options: PartyOptions & { seconds: number }) =>
      run(options, async () => {
        await using party = await joinNetwork('offers', options)
        const network = await party.network()
        const offers = new Map<string, Offer.Offer>()
        await using _ = network.subscribe(topics.offers, (body) => {
          const offer = Offer.verify(party.domain, Offer.deserialize(body))
          offers.set(offer.provider, offer)
        })
        await party.clock.sleep(options.seconds * 1000)
        const found = [...offers.values()]
        if (options.json) return console.log(Json.stringify(found))
        if (found.length === 0) console.log('No offers heard. Is the network file the right one?')
        for (const offer of found) console.log(describe(offer))
      }),
    )
}

function describe({ provider, region, hardware, models }: Offer.Offer): string {
  const gigabytes = Number(hardware.memoryBytes / 1_000_000_000n)
  const gpus = hardware.gpus.map((gpu) => gpu.name).join(', ') || 'no GPU'
  const lines = models.map(
    (model) =>
      `  ${model.id}  ${model.quantisation}  in ${formatUsd(model.inputMicroUsdPerMillion)}` +
      `  out ${formatUsd(model.outputMicroUsdPerMillion)} a million tokens  [${model.tiers.join(', ')}]`,
  )
  return [
    `${provider}  ${region || 'somewhere'}  ${hardware.cores} cores, ${gigabytes} GB, ${gpus}`,
    ...lines,
  ].join('\n')
}
