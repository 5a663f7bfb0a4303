import type { Desk } from './acquire.ts'
import type { Context } from './context.ts'

/** Opens leases before anybody asks, for every model that is named or, if so wished, offered. */
export async function keepWarm(
  context: Context,
  desk: Desk,
  offered: () => readonly string[],
): Promise<void> {
  const { settings, background, bell, clock } = context
  const { warmModels, defaultTier: tier } = settings
  if (warmModels !== 'offered' && warmModels.length === 0) return
  const { signal } = background
  while (!signal.aborted) {
    const known = new Set(offered())
    const models = warmModels === 'offered' ? known : warmModels.filter((model) => known.has(model))
    for (const model of models) desk.keep({ model, tier })
    // The first offers are answered at once, later changes within seconds.
    if (known.size === 0) await bell.next(signal)
    else await clock.sleep(2_000, { signal })
  }
}
