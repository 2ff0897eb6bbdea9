import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// Keeps the stripped sources, so that further starts are quicker and need less memory.
enableCompileCache(join(import.meta.dirname, '../node_modules/.cache/node'));

const { run } = await import('./run.ts');
await run();
