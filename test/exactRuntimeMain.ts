/** See `exactRuntime.ts`. */
import { doWork, type Work } from './exactRuntime.ts'

const work = JSON.parse(process.argv[2]!) as Work
console.log(JSON.stringify(await doWork(work, new URL('worker.js', import.meta.url))))
