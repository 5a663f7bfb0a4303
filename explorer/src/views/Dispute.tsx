import { useEffect, useState } from 'preact/hooks'
import type * as Api from '../../../src/indexer/Api.ts'
import { clockText, leftOf, reasonOf } from '../disputes.ts'
import { bytes, clockTime, count, dateTime, short, span, usd } from '../format.ts'
import { useData, useNow } from '../live.ts'
import { Facts } from '../parts/Facts.tsx'
import { Account, Id } from '../parts/Names.tsx'
import { Narrowing } from '../parts/Narrowing.tsx'
import { Card, Loaded, Page } from '../parts/Page.tsx'
import { Segment } from '../parts/Segment.tsx'
import { DisputesTable, DisputeState } from './Disputes.tsx'

/** One dispute: what is agreed, where the parties part, whose clock runs, and at the end why. */
export function Dispute({ id }: { id: string }) {
  const detail = useData<Api.DisputeDetail>(`/api/disputes/${id}`)
  return (
    <Page
      title={`Dispute ${short(id)}`}
      heading={
        <>
          Dispute <code title={id}>{short(id)}</code>
        </>
      }
      lead={detail.data && <DisputeState dispute={detail.data.dispute} />}
    >
      <Loaded of={detail}>{(data) => <Body detail={data} />}</Loaded>
    </Page>
  )
}

/** The judge is large, and only this page needs it. */
function useJudge(): typeof import('../judge.ts') | undefined {
  const [judge, setJudge] = useState<typeof import('../judge.ts')>()
  useEffect(() => {
    let isHere = true
    void import('../judge.ts').then((loaded) => isHere && setJudge(loaded))
    return () => void (isHere = false)
  }, [])
  return judge
}

function Body({ detail }: { detail: Api.DisputeDetail }) {
  const { dispute, claim, segment, moves, others } = detail
  const judge = useJudge()
  const now = useNow()
  const { where } = dispute
  return (
    <>
      <Verdict detail={detail} />
      <div class="columns dispute">
        <div>
          <Card
            class="of-place"
            title="Where they part"
            aside={<p class="aside">from the whole to the one number</p>}
          >
            <Narrowing where={where} operation={judge?.operationOf(segment, where)} />
            <Segment detail={detail} examined={judge?.examine(detail)} />
          </Card>
          <Card title="Moves" class="of-moves" aside={<p class="aside">{movesWords(dispute)}</p>}>
            <Moves moves={moves} start={dispute.openedAt} />
          </Card>
        </div>
        <div>
          <Card title={dispute.state === 'open' ? 'Whose clock runs' : 'The clocks'}>
            <Clocks dispute={dispute} now={now} />
          </Card>
          <Card title="What is at stake">
            <Facts of={stakesOf(detail)} />
          </Card>
          <Card title="The claim" class="of-claim">
            <Facts of={claimOf(dispute, claim)} />
          </Card>
        </div>
      </div>
      {others.length > 0 && (
        <Card title="Other disputes about this claim">
          <DisputesTable disputes={others} now={now} />
        </Card>
      )}
    </>
  )
}

/** What came of it, in one sentence. */
function Verdict({ detail: { dispute, claim } }: { detail: Api.DisputeDetail }) {
  const { state, turn, slashed } = dispute
  if (state === 'open')
    return (
      <p class="check wait verdict">
        <b>
          {turn === 'claimant'
            ? 'The claimant must show what lies beneath.'
            : 'The challenger must point at what is wrong.'}
        </b>{' '}
        Who cannot move any more, or lets its clock run out, loses.
      </p>
    )
  const [tone, words] = outcomes[state]
  return (
    <p class={`check ${tone} verdict`}>
      <b>{words}</b> {reasonOf(dispute)}
      {BigInt(slashed) > 0n && ` The claimant lost ${usd(slashed)} of its stake to the challenger.`}
      {claim.state === 'final' && ' The claim is final.'}
    </p>
  )
}

const outcomes = {
  'challenger-won': ['bad', 'The claim was false.'],
  'claimant-won': ['good', 'The claim stands.'],
  closed: ['plain', 'Closed without a verdict of its own.'],
} as const

function movesWords({ moves, gas }: Api.Dispute): string {
  const cost = gas > 0 ? `, ${count(gas)} gas in all` : ''
  return `${count(moves)} ${moves === 1 ? 'move' : 'moves'}${cost}`
}

function Moves({ moves, start }: { moves: readonly Api.DisputeMove[]; start: number }) {
  return (
    <ol class="timeline moves">
      {moves.map((move, index) => (
        <li key={index} class={move.party}>
          <div class="when">
            <time dateTime={new Date(move.at).toISOString()} title={dateTime(move.at)}>
              {clockTime(move.at)}
            </time>
            <span>+{span(Math.max(0, move.at - start))}</span>
          </div>
          <div class="what">
            <p class="sentence">
              {move.party === 'anyone' ? (
                move.words
              ) : (
                <>
                  <b>{parties[move.party]}</b> {move.words[0]?.toLowerCase()}
                  {move.words.slice(1)}
                </>
              )}
            </p>
            <div class="by">
              {move.number !== null && <span>move {count(move.number)}</span>}
              {move.bytes > 0 && <span>{bytes(move.bytes)}</span>}
              {move.gas !== null && <span>{count(move.gas)} gas</span>}
              <code title={move.transaction}>tx {short(move.transaction)}</code>
            </div>
          </div>
        </li>
      ))}
    </ol>
  )
}

const parties = { claimant: 'Claimant', challenger: 'Challenger' } as const

function Clocks({ dispute, now }: { dispute: Api.Dispute; now: number }) {
  const whole = Math.max(1, dispute.claimantMs, dispute.challengerMs)
  return (
    <ul class="clocks">
      {(['claimant', 'challenger'] as const).map((party) => {
        const left = leftOf(dispute, party, now)
        const runs = dispute.state === 'open' && dispute.turn === party
        return (
          <li key={party} class={`${party} ${runs ? 'runs' : ''}`}>
            <span class="clock-name">
              {parties[party]}
              {runs && <i class="dot" aria-hidden="true" />}
            </span>
            <b class="clock-time" role="timer">
              {clockText(left)}
            </b>
            <Account address={dispute[party]} provider />
            <span class="clock-note">
              {runs
                ? left === 0
                  ? 'time is up'
                  : 'its turn'
                : dispute.state === 'open'
                  ? 'waits'
                  : 'left at the end'}
            </span>
            <svg class="flow-bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
              <rect class="flow-rail" width="100" height="6" />
              <rect class="clock-bar" width={Math.min(100, (100 * left) / whole)} height="6" />
            </svg>
          </li>
        )
      })}
    </ul>
  )
}

function stakesOf({ dispute, claim }: Api.DisputeDetail) {
  const { state, bond, slashed } = dispute
  const none = (amount: string) => (BigInt(amount) > 0n ? usd(amount) : undefined)
  return [
    ['Bond of each side', usd(bond)],
    [
      'Goes to',
      state === 'challenger-won'
        ? 'the challenger, but for a fifth'
        : state === 'claimant-won'
          ? 'the claimant'
          : undefined,
    ],
    ['Destroyed', none(claim.burned)],
    ['Stake taken', none(slashed)],
    ['Given back', none(claim.released)],
    ['Opened', dateTime(dispute.openedAt)],
    ['Ended', dispute.endedAt && dateTime(dispute.endedAt)],
  ] as const
}

function claimOf(dispute: Api.Dispute, claim: Api.ExactClaim) {
  const id = (hash: string) => <code title={hash}>{short(hash)}</code>
  return [
    ['Says', `${count(claim.steps)} steps of one program, from one state to another`],
    ['Job', dispute.job && <Id view="jobs" id={dispute.job} />],
    ['Program', id(claim.graph)],
    ['From state', id(claim.start)],
    ['To state', id(claim.end)],
    ['Data', /^0x0+$/.test(claim.data) ? undefined : id(claim.data)],
    ['Seed', claim.seed.join(', ')],
    ['All states', id(claim.run)],
    ['Bond offered', usd(claim.bond)],
    ['Can be challenged until', dateTime(claim.challengeUntil)],
    ['State', claimStates[claim.state]],
  ] as const
}

const claimStates = {
  challenged: 'challenged, not settled',
  rejected: 'rejected',
  final: 'final',
} as const
