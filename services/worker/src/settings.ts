import { join } from 'node:path';
import { Environment } from './environment.ts';

export interface Settings {
  readonly host: string;
  readonly port: number;
  readonly logLevel: string;
  readonly contractsDirectory: string;
  /** One file for each job type. */
  readonly jobsDirectory: string;
  readonly postgres: Server & {
    readonly database: string;
    /** All connections have its grants, and not those of the user. */
    readonly role: string | undefined;
    /** PEM of the authority that the server's certificate must be from; no TLS without it. */
    readonly ca: string | undefined;
  };
  readonly rabbitmq: Server & { readonly queue: string };
  readonly storage: {
    readonly endpoint: string;
    readonly region: string;
    readonly bucket: string;
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
  };
  /** Where spans are sent; nothing is sent without it. */
  readonly telemetry: Telemetry | undefined;
  /** Jobs that one process runs at a time; also the prefetch of the consumer. */
  readonly concurrency: number;
  /** A job whose worker has been silent for so long is given to another one. */
  readonly leaseSeconds: number;
  /** How long running jobs may go on after SIGTERM. */
  readonly graceSeconds: number;
}

export interface Server {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

export interface Telemetry {
  /** Base address of an OTLP/HTTP receiver. */
  readonly endpoint: string;
  readonly serviceName: string;
}

export class SettingsError extends Error {
  override name = 'SettingsError';
}

/**
 * Reads the settings from environment variables, or from the files that they name.
 * @throws {SettingsError} that names every variable which is missing or wrong, never its value.
 */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const given = new Environment(env);
  const settings: Settings = {
    host: given.text('HOST', '127.0.0.1'),
    port: given.number('PORT', 8001, 0, 65_535),
    logLevel: given.text('LOG_LEVEL', 'info'),
    contractsDirectory: given.text('CONTRACTS_DIR'),
    jobsDirectory: given.text('JOBS_DIRECTORY', join(import.meta.dirname, 'jobs')),
    postgres: {
      ...given.address('POSTGRES_ADDRESS'),
      user: given.text('POSTGRES_USER'),
      password: given.secret('POSTGRES_PASSWORD'),
      database: given.text('POSTGRES_DB'),
      role: given.optional('POSTGRES_ROLE'),
      ca: given.certificate('POSTGRES_CA_FILE'),
    },
    rabbitmq: {
      ...given.address('RABBITMQ_ADDRESS'),
      user: given.text('RABBITMQ_DEFAULT_USER'),
      password: given.secret('RABBITMQ_DEFAULT_PASS'),
      queue: given.text('JOB_QUEUE', 'jobs'),
    },
    storage: {
      endpoint: given.text('S3_ENDPOINT'),
      region: given.text('S3_REGION'),
      bucket: given.text('S3_BUCKET'),
      accessKeyId: given.text('S3_ACCESS_KEY_ID'),
      secretAccessKey: given.secret('S3_SECRET_ACCESS_KEY'),
    },
    telemetry: telemetryFrom(given),
    concurrency: given.number('WORKER_CONCURRENCY', 2, 1, 100),
    leaseSeconds: given.number('WORKER_LEASE_SECONDS', 15, 1, 3600),
    graceSeconds: given.number('WORKER_GRACE_SECONDS', 5, 0, 3600),
  };
  if (given.problems.length > 0) {
    throw new SettingsError(
      `The environment is not complete: ${given.problems.join('; ')}. Try: ./gp secrets check`,
    );
  }
  return settings;
}

function telemetryFrom(given: Environment): Telemetry | undefined {
  const endpoint = given.optional('OTEL_EXPORTER_OTLP_ENDPOINT');
  if (endpoint === undefined) return undefined;
  if (!/^https?:$/.test(URL.parse(endpoint)?.protocol ?? '')) {
    given.problems.push('OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https address');
  }
  return { endpoint, serviceName: given.text('OTEL_SERVICE_NAME', 'worker') };
}
