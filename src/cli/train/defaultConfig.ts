import { defaultConfig as exactConfig } from '../exact/defaultConfig.ts'

/** The settings of `weft train run` when none are given, as the file that they could be. */
export const defaultConfig = `# Settings of a run of \`weft train\`. Every field may be left out; these are the defaults.
# What the model is and how each worker learns decides what the run comes to, and so do its terms.

run:
  rounds: 60          # after each, the workers' updates are averaged and everybody has the same model
  steps: 10           # of a round, for a worker of ordinary speed
  trainer: exact      # or any: each worker may take its steps with a program of its own, and is scored, not audited
  rule: sparse        # or diloco, streaming, data-parallel: what workers send (docs/training-rules.md)
  keptFirst: 1024     # of 4,096 numbers of an update, how many are sent in the first rounds
  keptLast: 64        # and in the last half
  fragments: 4        # of streaming, which sends one of them each round
  aggregation: mean   # or trimmed-mean, centred-clipping, krum: how updates are joined
  toleratedShare: 0.25 # of liars, that trimmed-mean and krum are to bear
  outerRate: 0.7      # how far the model goes along the workers' mean
  outerMomentum: 0    # and how much of that it goes on by in the next rounds
  overlap: false      # whether a round's updates are applied one round late, so that nobody waits for them
  privacy: none       # or sums: each worker learns from data of its own, and nobody sees more than the sum of all updates
  clipNorm: 1         # of privacy sums: the greatest length of an update
  noise: 0            # of a sum, as a multiple of that; 0.001 to 16, or 0 for none
  epsilon: null       # with noise: the run ends before its sums cost more, at this
  delta: 0.00001
  minWorkers: 1       # the run begins when so many have joined
  maxWorkers: 100
  roundSeconds: 120   # the longest a round may take
  auditShare: 0.1     # of the contributions, which another worker runs again to the bit; pay waits for 4 / share rounds, or the end
                      # of trainer any: of the rounds, whose contributions three others score; pay waits for 12 / share rounds
  priceUsd: 0.00001   # for an accepted step; reckoned in the log, and paid in a network (--network)
  budgetUsd: 1        # the run ends when it is spent
  tier: unverified    # or exact: each segment is a claim with a bond, and a false one is decided by the chain (--network)
  bondUsd: 1          # of tier exact, what a worker answers with for each segment
  deadlineHours: null # or at this time after the start
  keepRounds: null    # payloads of how many rounds stay on the disk; null for all, which an audit of all needs
  checkpointEvery: 10 # rounds

${recipeOf(exactConfig)}`

/** What the two kinds of runs have in common: everything but how long it goes and how often it is kept. */
function recipeOf(text: string): string {
  return text
    .slice(text.indexOf('model:'))
    .replace(/^(steps|checkpointEvery):.*\n/gm, '')
    .replace('at the last step; or none', 'at the last step of the last round; or none')
    .trimEnd()
    .concat('\n')
}
