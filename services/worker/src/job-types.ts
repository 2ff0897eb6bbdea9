import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { JobError } from './errors.ts';
import type { JobHandler } from './job.ts';
import { loadSchema, type Validate } from './schema.ts';

/** What an attempt may take where its job type says nothing else. */
const TIME_LIMIT_SECONDS = 30 * 60;

export interface JobType {
  readonly handle: JobHandler<unknown>;
  readonly timeLimitSeconds: number;
  readonly validate: Validate<unknown>;
}

/**
 * Loads every TYPE.ts of a folder, which exports `handle` and, if it may take more or less than 30
 * minutes, `timeLimitSeconds`, with contracts/jobs/TYPE.schema.json.
 * @throws where a file exports no handler or its schema is missing.
 */
export async function loadJobTypes(
  directory: string,
  contracts: string,
): Promise<ReadonlyMap<string, JobType>> {
  const types = new Map<string, JobType>();
  for (const file of (await readdir(directory)).filter((name) => name.endsWith('.ts'))) {
    const type = basename(file, '.ts');
    types.set(type, {
      ...(await importHandler(join(directory, file))),
      validate: await loadSchema(join(contracts, 'jobs', `${type}.schema.json`), 'params'),
    });
  }
  return types;
}

/** @throws {JobError} permanent, where there is no such type. */
export function findJobType(types: ReadonlyMap<string, JobType>, type: string): JobType {
  const found = types.get(type);
  if (!found) throw new JobError(`There is no job type "${type}".`, { permanent: true });
  return found;
}

async function importHandler(file: string): Promise<Omit<JobType, 'validate'>> {
  const module = (await import(pathToFileURL(file).href)) as Partial<JobType>;
  const { handle, timeLimitSeconds = TIME_LIMIT_SECONDS } = module;
  if (typeof handle !== 'function') throw new Error(`${file} must export \`handle\`.`);
  if (!(timeLimitSeconds > 0)) throw new Error(`${file}: timeLimitSeconds must be positive.`);
  return { handle, timeLimitSeconds };
}
