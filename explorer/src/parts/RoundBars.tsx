import type * as Api from '../../../src/indexer/Api.ts'
import { bytes, plural } from '../format.ts'

/** What each worker sent in each round: a bar a round, a colour a worker. */
export function RoundBars(props: {
  rounds: readonly Api.TrainingRound[]
  workers: readonly { number: number; colour: string }[]
}) {
  const { rounds, workers } = props
  const totals = rounds.map((round) => round.workers.reduce((sum, each) => sum + each.sentBytes, 0))
  const most = Math.max(1, ...totals)
  const step = width / Math.max(1, rounds.length)
  const all = totals.reduce((sum, each) => sum + each, 0)
  return (
    <figure class="chart">
      <svg
        class="round-bars"
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        aria-hidden="true"
      >
        {rounds.map((round, index) => {
          let top = height
          return round.workers.map(({ worker, sentBytes }) => {
            const size = (height * sentBytes) / most
            top -= size
            const colour = workers.find(({ number }) => number === worker)?.colour ?? 'muted'
            return (
              <rect
                key={`${round.round} ${worker}`}
                x={index * step + step * 0.14}
                y={top}
                width={step * 0.72}
                height={size}
                style={{ fill: `var(--${colour})` }}
              />
            )
          })
        })}
      </svg>
      <figcaption>
        <p class="across" aria-hidden="true">
          round 0 to {rounds.at(-1)?.round ?? 0}, {bytes(most)} at most
        </p>
        <span class="hidden">
          {`${plural(workers.length, 'worker')} sent ${bytes(all)} in ${plural(rounds.length, 'round')}.`}
        </span>
      </figcaption>
    </figure>
  )
}

const width = 600
const height = 120
