import { readFile } from 'node:fs/promises';
import { Ajv2020, type SchemaObject } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { JobError } from './errors.ts';

/** Returns the value where it is valid, else throws a permanent JobError that says what is wrong. */
export type Validate<T> = (value: unknown) => T;

/** Loads a JSON Schema; `name` is what error messages call the value. */
export async function loadSchema<T>(file: string, name: string): Promise<Validate<T>> {
  const ajv = new Ajv2020();
  addFormats.default(ajv);
  const isValid = ajv.compile<T>(JSON.parse(await readFile(file, 'utf8')) as SchemaObject);
  return (value) => {
    if (isValid(value)) return value;
    throw new JobError(`${ajv.errorsText(isValid.errors, { dataVar: name })}.`, {
      permanent: true,
    });
  };
}
