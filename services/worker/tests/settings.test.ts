import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readSettings } from '../src/settings.ts';

const STRONG = {
  ENVIRONMENT: 'production',
  CONTRACTS_DIR: '/contracts',
  POSTGRES_ADDRESS: 'postgres:5432',
  POSTGRES_USER: 'worker_1',
  POSTGRES_PASSWORD: 'p'.repeat(32),
  POSTGRES_DB: 'groundplan',
  RABBITMQ_ADDRESS: 'rabbitmq:5672',
  RABBITMQ_DEFAULT_USER: 'worker_1',
  RABBITMQ_DEFAULT_PASS: 'm'.repeat(32),
  S3_ENDPOINT: 'http://storage:9000',
  S3_ACCESS_KEY_ID: 'key',
  S3_SECRET_ACCESS_KEY: 's'.repeat(40),
  S3_BUCKET: 'groundplan',
  S3_REGION: 'us-east-1',
};

let folder: string;

async function file(content: string): Promise<string> {
  const path = join(folder, `secret-${Math.random()}`);
  await writeFile(path, content);
  return path;
}

function read(changes: NodeJS.ProcessEnv) {
  return readSettings({ ...STRONG, ...changes });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'secrets-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe('files', () => {
  test.each([
    ['a-long-password', 'a-long-password'],
    ['a-long-password\n', 'a-long-password'],
    [' a-long-password \n\n', ' a-long-password \n'],
  ])('%j stands for the value, but for one newline at its end', async (content, value) => {
    const path = await file(content);
    const settings = read({ POSTGRES_PASSWORD: undefined, POSTGRES_PASSWORD_FILE: path });
    expect(settings.postgres.password).toBe(value);
  });

  test('a user name may be in a file, too', async () => {
    const path = await file('worker_2\n');
    const settings = read({ RABBITMQ_DEFAULT_USER: '', RABBITMQ_DEFAULT_USER_FILE: path });
    expect(settings.rabbitmq.user).toBe('worker_2');
  });

  test('one that is missing is refused, with variable and path', () => {
    const path = join(folder, 'nowhere');
    const changes = { POSTGRES_PASSWORD: undefined, POSTGRES_PASSWORD_FILE: path };
    expect(() => read(changes)).toThrow(
      `complete: POSTGRES_PASSWORD_FILE: ${path} can't be read (ENOENT). Try`,
    );
  });

  test.each(['', '\n'])('one that holds %j is refused', async (content) => {
    const path = await file(content);
    const changes = { POSTGRES_PASSWORD: undefined, POSTGRES_PASSWORD_FILE: path };
    expect(() => read(changes)).toThrow(`POSTGRES_PASSWORD_FILE: ${path} is empty`);
  });

  test('a file beside a value is refused', async () => {
    const changes = { POSTGRES_PASSWORD_FILE: await file('another-password') };
    expect(() => read(changes)).toThrow(
      'POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are both set',
    );
  });

  test('an authority that is no certificate is refused', async () => {
    const path = await file('no certificate');
    expect(() => read({ POSTGRES_CA_FILE: path })).toThrow(`${path} is no certificate`);
  });
});

describe('secrets', () => {
  test.each(['rabbitmq', 'short', 'Guest', 'changeme-changeme', '<random 32> and more'])(
    '%s is refused in production, and not shown',
    (weak) => {
      const attempt = () => read({ RABBITMQ_DEFAULT_PASS: weak });
      expect(attempt).toThrow('RABBITMQ_DEFAULT_PASS');
      expect(attempt).not.toThrow(`${weak} `);
    },
  );

  test('a weak one is refused in a file, too', async () => {
    const path = await file('postgres');
    const changes = { POSTGRES_PASSWORD: undefined, POSTGRES_PASSWORD_FILE: path };
    expect(() => read(changes)).toThrow('POSTGRES_PASSWORD is a default or shorter than 12');
  });

  test('a short one will do in development', () => {
    const settings = read({ ENVIRONMENT: 'development', POSTGRES_PASSWORD: 'short' });
    expect(settings.postgres.password).toBe('short');
  });
});
