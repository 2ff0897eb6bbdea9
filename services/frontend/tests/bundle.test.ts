import { gzipSync } from 'node:zlib';
import { build, type Rolldown } from 'vite';
import { expect, test, vi } from 'vitest';

/** Most that a browser loads until it shows the sign-in form: bytes, gzipped. */
const BUDGET = 130_000;

test('the sign-in page needs at most 130 kB of JavaScript', async () => {
  vi.stubEnv('NODE_ENV', 'production');
  const built = (await build({
    logLevel: 'silent',
    build: { write: false },
  })) as Rolldown.RolldownOutput;
  const chunks = new Map(
    built.output.filter((file) => file.type === 'chunk').map((chunk) => [chunk.fileName, chunk]),
  );
  const needed = new Set<string>();
  const need = (fileName: string) => {
    if (needed.has(fileName)) return;
    needed.add(fileName);
    chunks.get(fileName)?.imports.forEach(need);
  };
  for (const { fileName, isEntry, facadeModuleId } of chunks.values()) {
    if (isEntry || facadeModuleId?.endsWith('sign-in-page.tsx')) need(fileName);
  }
  const sizes = [...needed].map((name) => gzipSync(chunks.get(name)?.code ?? '').length);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  console.log(`sign-in page: ${total} bytes`);
  expect(total).toBeLessThanOrEqual(BUDGET);
});
