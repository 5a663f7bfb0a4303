/** How far an answer can be trusted, and why: the buyer chooses the tier, checks move the state. */
export type Assurance = {
  readonly tier: Tier
  readonly state: 'pending' | 'verified' | 'challenged' | 'final'
  /** How it was verified, when it was. */
  readonly method?: string | undefined
}

/** From strongest to none; DESIGN.md section 1 says what each means. */
export const tiers = ['exact', 'algebraic', 'statistical', 'attested', 'unverified'] as const
export type Tier = (typeof tiers)[number]

/** One line for a header: `statistical; verified(rerun)`. */
export function format({ tier, state, method }: Assurance): string {
  return `${tier}; ${state}${method === undefined ? '' : `(${method})`}`
}
