/** `weft exact` alone, which starts sooner than the whole program. */
import { exactCommand } from '../src/cli/exact.ts'

await exactCommand().parseAsync()
