/**
 * Writes src/contracts/*.ts, the types of the JSON Schemas that the worker reads.
 * With --check it writes nothing and fails when a file is stale.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { compileFromFile } from 'json-schema-to-typescript';

const ROOT = join(import.meta.dirname, '..');
const CONTRACTS = process.env.CONTRACTS_DIR ?? join(ROOT, '../../contracts');
const TYPES = join(ROOT, 'src/contracts');

const jobs = (await readdir(join(CONTRACTS, 'jobs'))).map((file) => join('jobs', file));
const stale: string[] = [];

for (const schema of ['job-message.schema.json', ...jobs]) {
  const target = join(TYPES, `${basename(schema, '.schema.json')}.ts`);
  const wanted = await compileFromFile(join(CONTRACTS, schema), {
    bannerComment: `// Generated from contracts/${schema} by \`npm run contracts\`. Do not edit.`,
  });
  const present = await readFile(target, 'utf8').catch(() => '');
  if (present !== wanted) stale.push(target);
  if (!process.argv.includes('--check')) await writeFile(target, wanted);
}

if (process.argv.includes('--check') && stale.length > 0) {
  console.error(`Stale types, run \`npm run contracts\`: ${stale.join(', ')}`);
  process.exitCode = 1;
}
