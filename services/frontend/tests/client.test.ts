import { createClient } from '@hey-api/openapi-ts';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import config from '../openapi-ts.config';

const committed = resolve('src/client');
const fresh = await mkdtemp(resolve('node_modules/.client-'));

afterAll(() => rm(fresh, { recursive: true }));

async function read(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const contents = files.map(async ({ parentPath, name }) => {
    const path = join(parentPath, name);
    return [path.slice(folder.length), await readFile(path, 'utf8')] as const;
  });
  return Object.fromEntries(await Promise.all(contents));
}

test('the committed client is what contracts/openapi.json yields (else: npm run client)', async () => {
  await createClient({ ...(await config), output: fresh, logs: { level: 'silent' } });
  expect(await read(committed)).toEqual(await read(fresh));
});
