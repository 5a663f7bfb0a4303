/**
 * How many entries of a block of 4,096 a round keeps: error feedback starts slowly, so the first rounds
 * send more. It falls geometrically from `first` to `last` over the first `share` of the rounds, in
 * halves, so that no machine's logarithm has a say.
 */
export function annealedKept(
  round: number,
  { rounds, first = 1024, last = 64, share = 0.5 }: annealedKept.Options,
): number {
  let halvings = 0
  while (first / 2 ** (halvings + 1) >= last) halvings++
  const stage = (rounds * share) / (halvings + 1)
  const done = stage > 0 ? Math.floor(round / stage) : halvings + 1
  return done > halvings ? last : Math.max(last, Math.floor(first / 2 ** done))
}

export declare namespace annealedKept {
  type Options = {
    rounds: number
    first?: number | undefined
    last?: number | undefined
    share?: number | undefined
  }
}
