/** A sentence for every stable code that the page may meet. */

/** What a code means, to somebody who has never seen it. */
export function sentence(code: string): string {
  return sentences[code] ?? fallback(code)
}

/** Whether a code has a sentence of its own. */
export function isKnown(code: string): boolean {
  return code in sentences
}

const sentences: Readonly<Record<string, string>> = {
  'order-created': 'The buyer asked the market for this work.',
  'order-bid': 'A provider answered with a signed bid.',
  'order-declined': 'A provider declined, and said why.',
  'order-unfilled': 'No provider could take the order.',
  'lease-signed': 'The buyer accepted a bid and signed the lease.',
  'lease-opened': 'The vault reserved the funds of the lease.',
  'lease-open': 'The lease is open: the reservation was seen on the chain.',
  'lease-ready': 'A probe passed. From here on the meter runs.',
  'lease-paused': 'The meter stands still until a probe passes again.',
  'lease-probe-failed': 'A probe failed. It cost nothing.',
  'lease-closing': 'The lease is being closed: what is owed is claimed first.',
  'lease-settled': 'The lease is settled.',
  'lease-closed': 'The vault closed the lease and gave the unused rest back to the buyer.',
  'job-start': 'The provider took the job and began.',
  'job-delivered': 'The whole answer was delivered.',
  'job-failed': 'The job failed. Nothing is charged.',
  'job-cancelled': 'The job was cancelled before it was done.',
  'job-refunded': 'The job is not paid: the money stays with the buyer.',
  'receipt-signed': 'The provider signed a receipt for exactly this answer.',
  'verdict-valid': 'A validator re-ran the job and got the same answer.',
  'verdict-invalid': 'A validator re-ran the job and got a different answer.',
  'verdict-unavailable': 'A validator could not check: the provider did not hand out the evidence.',
  'payment-signed': 'The buyer signed a voucher that covers this job.',
  'payment-withheld': 'The buyer did not pay for this job.',
  'payment-claimed': 'The provider took its vouchers to the chain.',
  claimed: 'The provider redeemed its vouchers at the vault.',
  deposited: 'A buyer deposited money in the vault.',
  withdrawn: 'A buyer took free money back.',
  'earnings-withdrawn': 'A provider took its earnings home.',
  registered: 'A provider registered, or added stake.',
  unbonded: 'A provider took stake back after the waiting time.',
  slashed: 'The court took stake from a provider.',
  'dispute-deposited': 'Somebody paid in money for bonds.',
  'dispute-withdrawn': 'Somebody took money for bonds back.',
  challenged: 'Somebody challenged a claim of exact work; both sides have a bond in it.',
  'claim-released': 'A challenged claim held to the end; its bond is free again.',
  'claimant-slashed': 'A claimant whose claim was false lost stake to who proved it.',
  'bond-burned': 'The part of a lost bond that nobody gets was destroyed.',

  'Rerun.Equal': 'The re-run gave the same answer, token for token.',
  'Rerun.OutputDiffers': 'The re-run on the same build gave a different answer.',
  'Rerun.UsageDiffers': 'The receipt counts other tokens than the re-run.',
  'Exact.Equal': 'The validator computed the run again: every state and every token is the same.',
  'Exact.RunDiffers':
    'The validator computed the run again and comes to other states: the claim is false.',
  'Exact.EndDiffers':
    'The validator computed the run again and ends elsewhere: the claim is false.',
  'Exact.StepsDiffer': 'The claimed run has other steps than the answer takes.',
  'Exact.GraphDiffers': 'The claimed run is of another program than the one that was sold.',
  'Exact.StartDiffers': 'The claimed run begins from other weights, or from another prompt.',
  'Exact.DataDiffers': 'The claimed run is on data that the answer does not have.',
  'Exact.SeedDiffers': 'The claimed run has another seed than the request.',
  'Exact.OutputDiffers': 'The claimed run gives another answer than was delivered.',
  'Exact.TokensDiffer': 'The claimed run gives other tokens than were delivered.',
  'Exact.FinishReasonDiffers': 'The claimed run ends in another way than was said.',
  'Exact.InputTokensDiffer': 'The receipt counts other tokens than the run reads.',
  'Exact.OutputTokensDiffer': 'The receipt counts other tokens than the run makes.',
  'Exact.ClaimMissing': 'The provider did not hand out the claim that it owes.',
  'Exact.ClaimNotSigned': 'The claim is not signed by the provider.',
  'Exact.ClaimantDiffers': 'The claim is another party’s.',
  'Exact.JobDiffers': 'The claim is about another job.',
  'Verdict.Invalid': 'A validator found the answer wrong.',
  'Verdict.Unavailable': 'The provider did not hand out what is needed to check.',

  'Screen.BudgetNotDeposited': 'the buyer has not deposited the budget',
  'Screen.BudgetTooSmall': 'the budget is too small for this work',
  'Screen.ClockSkew': 'the clocks of buyer and provider differ too much',
  'Screen.ConcurrencyTooHigh': 'it cannot run as many jobs at once',
  'Screen.DurationTooLong': 'the lease would last too long',
  'Screen.DurationTooShort': 'the lease would be too short',
  'Screen.InputPriceTooHigh': 'its price for input is above the ceiling',
  'Screen.OutputPriceTooHigh': 'its price for output is above the ceiling',
  'Screen.ModelNotOffered': 'it does not offer the model',
  'Screen.NoCapacity': 'it has no free capacity',
  'Screen.OfferExpired': 'its offer has expired',
  'Screen.OrderExpired': 'the order has expired',
  'Screen.TierNotOffered': 'it does not offer this assurance',
  'Screen.WeightsDiffer': 'its weights are not the ones asked for',

  'Bid.Expired': 'its bid had expired',
  'Bid.ModelDiffers': 'it bid for another model',
  'Bid.NoConcurrency': 'it bid without room for a job',
  'Bid.OrderDiffers': 'it bid for another order',
  'Bid.PriceTooHigh': 'its bid is above the ceiling',
  'Bid.ProviderDiffers': 'the bid names another provider',
  'Bid.TierDiffers': 'it bid with another assurance',

  'Buyer.LeaseEnded': 'the lease has ended',
  'Buyer.LeaseEnds': 'the lease ends too soon',
  'Buyer.LeaseHeld': 'the buyer holds a lease there already',
  'Buyer.LeaseNotUsable': 'the lease cannot be used',
  'Buyer.LeaseSpent': 'the lease is spent',
  'Buyer.ProviderExcluded': 'the buyer works with this provider no longer',
  'Buyer.RestartedError': 'the buyer restarted while the job ran',
  'Buyer.StakeTooSmall': 'its stake is too small for this buyer',
  'Buyer.TooExpensive': 'the job could cost more than the buyer allows',
  'Buyer.CancelledError': 'the buyer cancelled',

  'Provider.BudgetError': 'the lease has too little left for the job',
  'Provider.BusyError': 'the provider was busy',
  'Provider.CreditError': 'too much delivered work is unpaid',
  'Provider.DebtError': 'the buyer owes for earlier work',
  'Provider.EngineFaultError': "the provider's engine failed",
  'Provider.ExpiredError': 'the request had expired',
  'Provider.ForbiddenError': 'this party may not ask for that',
  'Provider.LeaseClosedError': 'the lease is closed',
  'Provider.LeaseNotOpenError': 'the lease is not open on the chain',
  'Provider.ModelChangedError': 'the provider serves another model now',
  'Provider.NoEvidenceError': 'the provider has no evidence of that job',
  'Provider.NotReadyError': 'no probe has passed yet',
  'Provider.ProbeLimitError': 'the free probes are used up',
  'Provider.ReplayError': 'the job had been sent before',
  'Provider.StalledError': 'the provider stalled',
  'Provider.TermsError': 'the lease does not say what the bid says',
  'Provider.UnknownBidError': 'the provider does not know the bid',
  'Provider.UnknownLeaseError': 'the provider does not know the lease',
  'Provider.UnsecuredError': 'the funds are not reserved',

  'Network.UnreachableError': 'the peer could not be reached',
  'Network.TimeoutError': 'the peer did not answer in time',
  'Network.NoReplyError': 'the peer ended without an answer',
  'Network.NoHandlerError': 'the peer does not answer this protocol',
  'Network.BusyError': 'the peer had too many requests',
  'Chain.UnavailableError': 'the chain could not be reached',
  'Chain.InsufficientFree': 'the deposit has too little free money',
  'Engine.EngineError': 'the engine failed',
  'Engine.ContextLengthError': 'the text is longer than the model can read',
  'Engine.UnknownModelError': 'the engine does not have the model',
  'Protocol.SignatureError': 'a signature is not by the account it names',
  'Protocol.MalformedError': 'a message was malformed',

  'Explorer.NotFoundError': 'Nothing is known of this here.',
  'Explorer.TooManyListenersError': 'The live stream is full; the page asks again by itself.',
}

/** `Receipt.OutputDiffers` -> `Receipt: output differs`. */
function fallback(code: string): string {
  const [family, name = ''] = code.split('.')
  const words = (name || family!)
    .replace(/Error$/, '')
    .replace(/[-_]/g, ' ')
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
  return name === '' ? `${words[0]?.toUpperCase() ?? ''}${words.slice(1)}.` : `${family}: ${words}`
}

/** What each tier promises. */
export const tiers: Readonly<Record<string, string>> = {
  exact: 'Bit-equal re-execution, which anybody can dispute on the chain.',
  algebraic: 'Integer products are checked by algebra (Freivalds).',
  statistical: 'A sample of answers is run again by a validator and compared.',
  attested: 'The hardware proves by a signed quote what it runs.',
  unverified: 'Nobody checks the answer; reputation and escrow are all there is.',
}

const methods: Readonly<Record<string, string>> = {
  rerun: 'by a re-run on the same build',
  exact: 'by computing its run again, bit for bit',
}

/** What a state of assurance means here, said so that it cannot be taken for more. */
export function assuranceSentence(tier: string, state: string, method: string | undefined): string {
  const by = methods[method ?? ''] ?? (method ? `by ${method}` : '')
  if (state === 'verified') return `A trusted validator checked this answer ${by}, and it holds.`
  if (state === 'challenged')
    return `A trusted validator checked this answer ${by}, and it does not hold. The buyer withholds payment.`
  if (tier === 'exact' && state === 'pending')
    return 'The provider answers for this run with a bond; anybody can still challenge it on the chain.'
  if (tier === 'exact' && state === 'final')
    return 'Nobody challenged the claim in its time. The buyer paid, and it stands.'
  if (state === 'pending')
    return 'No verdict on this answer has been published yet. Only a sample of jobs is checked.'
  if (tier === 'unverified') return tiers['unverified']!
  return 'The buyer paid without a verdict: this answer was not among those that were checked in time.'
}
