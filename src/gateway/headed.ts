import type { ChoiceEvent } from './runJobs.ts'

/**
 * Waits for the first piece of an answer, and gives back all events from the beginning, together with
 * those that came before it. What fails until then fails here, where it can still become a status.
 */
export async function headed(events: AsyncGenerator<ChoiceEvent, void, undefined>): Promise<{
  readonly opening: readonly ChoiceEvent[]
  readonly all: AsyncGenerator<ChoiceEvent, void, undefined>
}> {
  const opening: ChoiceEvent[] = []
  for (;;) {
    const next = await events.next()
    if (next.done) break
    opening.push(next.value)
    if (next.value.event.type !== 'completion-start') break
  }
  return { opening, all: resume(opening, events) }
}

async function* resume(
  opening: readonly ChoiceEvent[],
  rest: AsyncGenerator<ChoiceEvent, void, undefined>,
): AsyncGenerator<ChoiceEvent, void, undefined> {
  try {
    yield* opening
    yield* rest
  } finally {
    await rest.return()
  }
}
